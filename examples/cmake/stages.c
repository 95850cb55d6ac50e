/* Prints a model as the compiler reads it:
 *
 *   ./stages MODEL.gguf [STAGE]
 */

#include <lathe/compiler.h>
#include <stdio.h>

const lathe_compiler_api *lathe_compiler_api_v1(void);

int main(int argc, char **argv) {
  const lathe_compiler_api *api = lathe_compiler_api_v1();
  lathe_compile_request request = {0};
  lathe_compile_result *result;
  const uint8_t *text;
  size_t size = 0;
  int code;
  if (argc < 2) {
    fprintf(stderr, "usage: %s MODEL.gguf [STAGE]\n", argv[0]);
    return 2;
  }
  request.struct_size = sizeof request;
  request.input = argv[1];
  request.target = "host";
  request.precision = "auto";
  request.emit = argc > 2 ? argv[2] : "mlir:import";
  result = api->compile(&request);
  code = api->exit_code(result);
  fputs(api->diagnostics(result), stderr);
  text = api->output(result, &size);
  if (code == 0 && fwrite(text, 1, size, stdout) != size)
    code = 1;
  api->destroy(result);
  return code;
}
