/*===- abi.h - What compiled code and the runtime agree on --------*- C -*-===*\
|*
|* A compiled program exports:
|*
|*   const char    lathe_manifest[];        JSON text (docs/manifest.md)
|*   const int64_t lathe_manifest_size;     its length in bytes
|*   int32_t       lathe_entry_NAME(lathe_step_args *, int64_t worker, int64_t workers);
|*                                          one per entry named in the manifest
|*
|* One for a GPU exports, in place of the entries:
|*
|*   const char    lathe_device_code[];     text with a zero at its end that the GPU's driver
|*                                          loads: PTX; in it the kernels are, by the same names,
|*                                          each of one argument, a pointer to lathe_step_args
|*
|* Every worker of a step calls the same entry with its own number; all stay
|* inside until the step is done and meet at `barrier`.  The worker that calls
|* owns nothing: all memory belongs to the caller.
|*
\*===----------------------------------------------------------------------===*/

#ifndef LATHE_ABI_H
#define LATHE_ABI_H

#include <stdint.h>

#define LATHE_ABI_VERSION 5
/* The oldest version whose programs still run: they read less of lathe_step_args. */
#define LATHE_ABI_OLDEST 1

#ifdef __cplusplus
extern "C" {
#endif

/* A logit of a row, and the token that it is of. */
typedef struct lathe_logit {
  float logit;
  int32_t token;
} lathe_logit;

/* The arguments of one step.  The compiled code reads the fields by offset: append
 * only, and raise LATHE_ABI_VERSION, as a program must not read what an older runtime
 * does not have; on any other change raise LATHE_ABI_OLDEST, too. */
typedef struct lathe_step_args {
  /* The arena that the manifest asks for, 64-byte aligned. */
  uint8_t *arena;
  /* Private memory of the workers: worker w owns scratch + w * scratch_stride,
   * 64-byte aligned, of the size that the manifest asks for. */
  uint8_t *scratch;
  int64_t scratch_stride;
  /* Packed weights, one pointer per entry of the manifest's "weights" and
   * layer: table entry `first + ordinal`. */
  const uint8_t *const *weights;
  /* The KV cache: one slab per sequence, kv_slab_bytes apart, each holding
   * kv_capacity positions.  kv_capacity is a multiple of 256; fresh memory is
   * zero. */
  uint8_t *kv;
  int64_t kv_slab_bytes;
  int64_t kv_capacity;
  /* Rows of this step, 1 <= rows <= max_rows of the entry.  Rows of one
   * sequence stand in ascending order of position.  Those of an encoder are whole
   * texts, one behind the other: each from position 0 on, without a gap. */
  int64_t rows;
  const int32_t *token;    /* [rows], checked by the caller: < vocabulary   */
  const int32_t *position; /* [rows], checked by the caller: < kv_capacity  */
  const int32_t *sequence; /* [rows], the slab of the row                   */
  /* Rows that want logits: logits_row[i] is a row index, ascending. */
  int64_t logits_rows;
  const int32_t *logits_row;
  float *logits; /* [logits_rows][vocabulary]; of an encoder [logits_rows][embedding] */
  /* Returns when all workers of the step have called it. */
  void (*barrier)(void *barrier_context, int64_t worker);
  void *barrier_context;
  /* Since 2, as all that follows.  Of a function on tensors alone: f32 in C order,
   * for each of the manifest's "inputs" and behind them of its "outputs".  Inputs
   * are not written; no two share memory. */
  float *const *tensors;
  /* How many of the greatest logits of each row the caller needs, or 0 for all.
   * An entry with "greatest_logits" in the manifest may leave out the others:
   * what is neither among that many nor equal to the last of them is there in
   * all its bits, or -infinity.  More than the manifest says means all. */
  int64_t wanted_logits;
  /* Unless wanted_logits is 0: what was computed to find them, by each worker,
   * which has LATHE_HEAD_REPORT_BYTES: i64 rows of the output head, for all rows
   * of logits together, and i64 with bit r set where for row r of the logits these
   * are all rows of the head that are the worker's.  At most 63 rows. */
  int64_t *head_report;
  /* Not 0 for the layers that the step runs, at least one of them; keys and
   * values of the others are neither written nor read.  All rows run the same layers. */
  const int32_t *layer_runs; /* [layers of the model] */
  /* Since 3.  The stack is left behind a layer with an exit when the confidence there
   * reaches this: +infinity for never, -infinity for always.  Steps through an entry of
   * several rows want +infinity for all layers. */
  const float *exit_at; /* [layers of the model] */
  /* Where a step writes the layer behind which it left the stack; it writes nothing when
   * all layers ran. */
  int64_t *exit_layer;
  /* Of an entry with "resumes" in the manifest, an encoder's: the part of the step
   * that runs.  All 0: all of it.  It ends behind the layers but for the last
   * `layers_left`, and gives the results of these rows.  One that `resumes` goes on at
   * `first_layer`, where another ended; rows and arena are as that one left them. */
  int64_t resumes; /* 0: from the tokens on, and then first_layer is 0 */
  int64_t first_layer;
  int64_t layers_left;
  /* Since 4.  Of a program with "widths" in the manifest: the neurons that each layer
   * computes, a multiple of its "step", from that up to its "neurons"; 0 for a layer that
   * has no choice.  All rows have the same widths. */
  const int32_t *widths; /* [layers of the model] */
  /* Since 5.  Of a program for a GPU whose entry has "greatest_logits", unless
   * wanted_logits is 0 or more than that: [logits_rows][wanted_logits], where the step
   * writes these logits, the greatest of a row first, and of equal ones the lower token.
   * What is NaN or +infinity is ahead of all.  `logits` is all written as well. */
  lathe_logit *greatest;
} lathe_step_args;

#define LATHE_HEAD_REPORT_BYTES 64

typedef int32_t (*lathe_entry)(lathe_step_args *args, int64_t worker, int64_t workers);

#ifdef __cplusplus
}
#endif

#endif /* LATHE_ABI_H */
