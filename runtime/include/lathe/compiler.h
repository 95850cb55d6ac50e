/*===- compiler.h - What liblathe-compiler.so exports --------------*- C -*-===*\
|*
|* The runtime opens liblathe-compiler.so only when something must be compiled
|* and finds one symbol in it, `lathe_compiler_api_v1`, that returns this table.
|* Everything a compile gives is owned by its result until `destroy`.  Results
|* are independent; one result must not be used from two threads at a time.
|*
\*===----------------------------------------------------------------------===*/

#ifndef LATHE_COMPILER_H
#define LATHE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lathe_compile_request {
  size_t struct_size;
  /* A model file (GGUF), a folder in the form of Hugging Face, or MLIR text that an earlier compile
   * printed at one of the named stages; compiling goes on from that stage. */
  const char *input;
  /* "host", or one of the compiler's targets; the error for another one lists
   * them. */
  const char *target;
  /* "auto", "f32", "bf16" or "int8". */
  const char *precision;
  /* Rows of the prefill entry; 0: the default. */
  int64_t max_prefill_rows;
  /* NULL: a program for `lookup` and `write_library`.  Otherwise what
   * `output` shall hold: "mlir:STAGE", "llvm", "asm", "obj", or "schedule", the
   * schedule as JSON (docs/cost-model.md). */
  const char *emit;
  /* Run the program before and after every pass and compare (docs/verify.md). */
  int32_t verify_each_pass;
  /* Passes to run ahead of the stages, as `lathe-opt` takes them ("cse,lathe-fuse");
   * NULL: none. */
  const char *passes;
  /* The folder for a reproducer, should the compiler fail by its own fault;
   * NULL: the one for temporary files. */
  const char *reproducer_dir;
  /* Print on standard error how long the passes of MLIR and LLVM took. */
  int32_t timing;
  /* For "schedule": measured numbers of a machine as JSON, or NULL, and the
   * positions that every sequence holds already. */
  const char *machine;
  int64_t depth;
  /* Called once with the program's manifest (docs/manifest.md), on the thread that
   * compiles and ahead of most of its work, so that weights can be packed
   * meanwhile; the text is gone afterwards.  NULL: nobody is told. */
  void (*on_manifest)(void *context, const char *text, size_t size);
  void *manifest_context;
  /* Elements of the KV cache: "auto", "f32", "f16", "bf16" or "int8". */
  const char *kv_type;
  /* Lists such as "0-20,25": the layers to keep, and those to leave out for good; NULL:
   * all, and none.  E0840 for what is no list of the model's layers. */
  const char *layers;
  const char *skip;
} lathe_compile_request;

typedef struct lathe_compile_result lathe_compile_result;

typedef struct lathe_compiler_api {
  size_t struct_size;
  /* Never null; ask `exit_code` whether it went well. */
  lathe_compile_result *(*compile)(const lathe_compile_request *request);
  /* 0, or the exit code of the first error. */
  int32_t (*exit_code)(const lathe_compile_result *result);
  /* All errors and warnings as text, one after the other; may be empty. */
  const char *(*diagnostics)(const lathe_compile_result *result);
  /* The text or object that `emit` asked for. */
  const uint8_t *(*output)(const lathe_compile_result *result, size_t *size);
  /* Links the object into this process (ORC) on first use; null when there is
   * no such symbol.  The code lives as long as the result. */
  void *(*lookup)(lathe_compile_result *result, const char *symbol);
  /* Writes the object as a shared library that dlopen accepts; 0 on success. */
  int32_t (*write_library)(lathe_compile_result *result, const char *path);
  void (*destroy)(lathe_compile_result *result);
  /* "0.1.0 (LLVM 22.1.8)": part of every cache key. */
  const char *(*version)(void);
  /* What the passes counted, as a table of lines; may be empty. */
  const char *(*statistics)(const lathe_compile_result *result);
} lathe_compiler_api;

typedef const lathe_compiler_api *(*lathe_compiler_api_v1_fn)(void);

#ifdef __cplusplus
}
#endif

#endif /* LATHE_COMPILER_H */
