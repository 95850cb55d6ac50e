//===- CompilerApi.cpp - The table that liblathe-compiler.so exports -------===//

#include "compiler/driver/Compilation.h"
#include "compiler/target/cpu/Manifest.h"

#include "lathe/compiler.h"

#include <cstddef>

#ifdef __GLIBC__
#include <malloc.h>
#endif

using namespace lathe;
using namespace lathe::compiler;

struct lathe_compile_result {
  explicit lathe_compile_result(CompilationOptions options) : compilation(std::move(options)) {}

  Compilation compilation;
  mutable std::string text;   ///< Keeps what `diagnostics` returned.
  mutable std::string counts; ///< Keeps what `statistics` returned.
};

static std::string textOr(const char *text, const char *fallback) {
  return text && *text ? text : fallback;
}

static lathe_compile_result *compile(const lathe_compile_request *request) {
  CompilationOptions options;
  options.input = textOr(request->input, "");
  options.emit = textOr(request->emit, "");
  options.pipeline.target = textOr(request->target, "host");
  options.pipeline.precision = textOr(request->precision, "auto");
  options.pipeline.kvType = textOr(request->kv_type, "auto");
  options.verifyEachPass = request->verify_each_pass != 0;
  options.passes = textOr(request->passes, "");
  options.reproducerFolder = textOr(request->reproducer_dir, "");
  options.timing = request->timing != 0;
  // A caller that was built before these fields does not have them.
  if (request->struct_size >= offsetof(lathe_compile_request, depth) + sizeof(request->depth)) {
    options.machine = textOr(request->machine, "");
    options.depth = std::max<int64_t>(0, request->depth);
  }
  if (request->struct_size >= sizeof(lathe_compile_request)) {
    options.layers = textOr(request->layers, "");
    options.skip = textOr(request->skip, "");
  }
  if (request->struct_size >= offsetof(lathe_compile_request, layers) && request->on_manifest)
    options.onManifest = [request](llvm::StringRef text) {
      request->on_manifest(request->manifest_context, text.data(), text.size());
    };
  if (request->max_prefill_rows > 0)
    options.pipeline.prefillRows = request->max_prefill_rows;
  auto *result = new lathe_compile_result(std::move(options));
  result->compilation.run();
  result->compilation.dropIR();
#ifdef __GLIBC__
  // The program runs in this process: what compiling took is for the weights now.
  malloc_trim(0);
#endif
  return result;
}

static int32_t exitCode(const lathe_compile_result *result) {
  return static_cast<int32_t>(result->compilation.getDiagnostics().exitCode());
}

static const char *diagnostics(const lathe_compile_result *result) {
  result->text = result->compilation.getDiagnostics().str();
  return result->text.c_str();
}

static const char *statistics(const lathe_compile_result *result) {
  result->counts = result->compilation.getStatistics().str();
  return result->counts.c_str();
}

static const uint8_t *output(const lathe_compile_result *result, size_t *size) {
  const std::string &text = result->compilation.getOutput();
  *size = text.size();
  return reinterpret_cast<const uint8_t *>(text.data());
}

static void *lookup(lathe_compile_result *result, const char *symbol) {
  return result->compilation.lookup(symbol);
}

static int32_t writeLibrary(lathe_compile_result *result, const char *path) {
  return result->compilation.writeLibrary(path) ? 0 : 1;
}

static void destroy(lathe_compile_result *result) { delete result; }

static const char *version() {
  static const std::string text = compilerVersion();
  return text.c_str();
}

extern "C" __attribute__((visibility("default"))) const lathe_compiler_api *
lathe_compiler_api_v1() {
  static const lathe_compiler_api api = {sizeof(lathe_compiler_api),
                                         compile,
                                         exitCode,
                                         diagnostics,
                                         output,
                                         lookup,
                                         writeLibrary,
                                         destroy,
                                         version,
                                         statistics};
  return &api;
}
