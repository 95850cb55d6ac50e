/* Compiling to a file through lathe.h, on the tiny model:
 *
 *   compile MODEL.gguf OUTPUT
 *
 * Prints a line for every broken promise. */

#include "checks.h"

/* The logits of three tokens. */
static void logits_of(lathe_model *model, float *logits) {
  const int32_t tokens[3] = {5, 6, 7};
  lathe_session *session = open_session(model, NULL, 0);
  EXPECT(number_of(api->session_append(session, 0, tokens, 3, 1, logits, Vocabulary)) == 0);
  api->session_destroy(session);
}

static void check_compile_errors(const char *output) {
  lathe_compile_options options = {.struct_size = sizeof options};
  told all = {0, 0, 0, 1};
  lathe_callbacks callbacks = {sizeof callbacks, NULL, NULL, on_progress, on_cancel};
  EXPECT(number_of(api->model_compile(path, &options, NULL)) == 822);
  EXPECT(number_of(api->model_compile(NULL, &options, output)) == 822);
  EXPECT(number_of(api->model_compile(path, &options, path)) == 109);
  EXPECT(number_of(api->model_compile("/no/such/model.gguf", &options, output)) == 201);
  EXPECT(number_of(api->model_compile(path, &options, "/no/such/folder/out.lathe")) == 211);
  callbacks.user = &all;
  options.callbacks = &callbacks;
  EXPECT(number_of(api->model_compile(path, &options, output)) == 807 && all.progress == 2);
  options.flags = 2;
  EXPECT(number_of(api->model_compile(path, &options, output)) == 821);
  options.flags = 0;
  options.callbacks = NULL;
  options.calibration = path;
  EXPECT(number_of(api->model_compile(path, &options, output)) == 843);
  options.calibration = NULL;
  options.targets = "x86-64-v3,nonsense";
  EXPECT(number_of(api->model_compile(path, &options, output)) != 0);
  EXPECT(fopen(output, "rb") == NULL);
}

/* Compiled to `output` and opened from there, a model gives the same logits. */
static void check_compile(const char *output) {
  lathe_compile_options options = {.struct_size = sizeof options,
                                   .flags = LATHE_COMPILE_EMBED_WEIGHTS};
  lathe_model_options open = model_options();
  lathe_model_info info = {sizeof info, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  lathe_model *source = open_model(), *model = NULL;
  float expected[Vocabulary], found[Vocabulary];
  options.targets = open.target;
  logits_of(source, expected);
  EXPECT(number_of(api->model_compile(path, &options, output)) == 0);
  EXPECT(number_of(api->model_open(output, &open, &model)) == 0);
  EXPECT(number_of(api->model_info(model, &info)) == 0 && info.compiled_ahead == 1);
  logits_of(model, found);
  EXPECT(memcmp(expected, found, sizeof found) == 0);
  api->model_destroy(model);
  open.weights = path;
  EXPECT(number_of(api->model_open(output, &open, &model)) == 111);
  /* Without them, the model file may be named again. */
  options.flags = 0;
  EXPECT(number_of(api->model_compile(path, &options, output)) == 0);
  EXPECT(number_of(api->model_open(output, &open, &model)) == 0);
  logits_of(model, found);
  EXPECT(memcmp(expected, found, sizeof found) == 0);
  api->model_destroy(model);
  api->model_destroy(source);
}

int main(int argc, char **argv) {
  path = argc == 3 ? argv[1] : "";
  api = lathe_get_api(LATHE_API_VERSION);
  if (!api || argc != 3)
    return 6;
  check_compile_errors(argv[2]);
  check_compile(argv[2]);
  return broken;
}
