/*===- FakeCompiler.c - A compiler that always gives FakeProgram --*- C -*-===*\
|*
|* Stands in for liblathe-compiler.so.  FAKE_PROGRAM_PATH is the path of the
|* FakeProgram library.  The target "bad" fails with two messages, "silent"
|* without any, "unwritable" compiles but cannot be written.
|*
\*===----------------------------------------------------------------------===*/

#include "lathe/compiler.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

struct lathe_compile_result {
  char Target[32];
  void *Library;
};

static lathe_compile_result *compile(const lathe_compile_request *Request) {
  lathe_compile_result *Result = calloc(1, sizeof(*Result));
  snprintf(Result->Target, sizeof(Result->Target), "%s", Request->target);
  return Result;
}

static int32_t exitCode(const lathe_compile_result *Result) {
  if (strcmp(Result->Target, "bad") == 0)
    return 3;
  return strcmp(Result->Target, "silent") == 0 ? 70 : 0;
}

static const char *diagnostics(const lathe_compile_result *Result) {
  if (strcmp(Result->Target, "bad") == 0)
    return "error[E0604]: model: a thing, expected: another\n  hint: change it\n"
           "warning[E0621]: and this\nin two lines\n";
  return "";
}

static const uint8_t *output(const lathe_compile_result *Result, size_t *Size) {
  *Size = strlen(Result->Target);
  return (const uint8_t *)Result->Target;
}

static void *lookup(lathe_compile_result *Result, const char *Symbol) {
  if (!Result->Library)
    Result->Library = dlopen(FAKE_PROGRAM_PATH, RTLD_NOW | RTLD_LOCAL);
  return Result->Library ? dlsym(Result->Library, Symbol) : NULL;
}

static int32_t writeLibrary(lathe_compile_result *Result, const char *Path) {
  if (strcmp(Result->Target, "unwritable") == 0)
    return 1;
  FILE *From = fopen(FAKE_PROGRAM_PATH, "rb"), *To = fopen(Path, "wb");
  char Buffer[4096];
  for (size_t Count; From && To && (Count = fread(Buffer, 1, sizeof(Buffer), From)) > 0;)
    fwrite(Buffer, 1, Count, To);
  int32_t Status = From && To ? 0 : 1;
  if (From)
    fclose(From);
  if (To && fclose(To) != 0)
    Status = 1;
  return Status;
}

static void destroy(lathe_compile_result *Result) {
  if (Result->Library)
    dlclose(Result->Library);
  free(Result);
}

static const char *version(void) { return "fake"; }

static const char *statistics(const lathe_compile_result *Result) { return ""; }

EXPORT const lathe_compiler_api *lathe_compiler_api_v1(void) {
  static const lathe_compiler_api Table = {sizeof(Table), compile,   exitCode,     diagnostics,
                                           output,        lookup,    writeLibrary, destroy,
                                           version,       statistics};
  return &Table;
}
