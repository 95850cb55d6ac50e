/*===- FakeProgram.c - A compiled program written by hand ---------*- C -*-===*/

#include "FakeProgram.h"

#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MANIFEST                                                                                   \
  "{\"abi\":2,\"compiler\":\"fake\",\"target\":\"x86-64\",\"features\":[],\"precision\":\"auto\"," \
  "\"model\":{\"architecture\":\"fake\",\"vocabulary\":16,\"embedding\":4,\"layers\":3,"           \
  "\"context\":300},\"entries\":["                                                                 \
  "{\"name\":\"decode\",\"max_rows\":1,\"arena_bytes\":64,\"scratch_bytes\":64},"                  \
  "{\"name\":\"prefill\",\"max_rows\":4,\"arena_bytes\":256,\"scratch_bytes\":100}],"              \
  "\"weights\":[{\"symbol\":\"output_norm\",\"format\":\"f32\",\"shape\":[16],"                    \
  "\"layout\":\"vector\",\"first\":0,\"tensors\":\"output_norm.weight\"}],"                        \
  "\"kv\":{\"type\":\"f16\",\"bytes_per_position\":8},\"chooses_layers\":true}"

enum { BytesPerPosition = 8, ArenaBytesPerRow = 64 };

EXPORT const char lathe_manifest[] = MANIFEST;
EXPORT const int64_t lathe_manifest_size = sizeof(MANIFEST) - 1;

static uint8_t *slot(const lathe_step_args *Args, int64_t Sequence, int64_t Position) {
  return Args->kv + Sequence * Args->kv_slab_bytes + Position * BytesPerPosition;
}

static void writeLogits(const lathe_step_args *Args, int64_t Index) {
  const float *Weight = (const float *)Args->weights[0];
  int32_t Row = Args->logits_row[Index];
  int32_t Sum;
  memcpy(&Sum, Args->arena + Row * ArenaBytesPerRow, sizeof(Sum));
  for (int64_t V = 0; V < FakeVocabulary; ++V)
    Args->logits[Index * FakeVocabulary + V] = Weight[V] + (V == Sum % FakeVocabulary ? 100.0f : 0);
}

static int32_t run(lathe_step_args *Args, int64_t Worker, int64_t Workers, int64_t MaxRows,
                   int64_t ScratchBytes) {
  if (Args->rows < 1 || Args->rows > MaxRows)
    return FakeFailure + 1;
  for (int64_t R = 0; R < Args->rows; ++R)
    if (Args->token[R] == FakeFailingToken)
      return FakeFailure;
  memset(Args->scratch + Worker * Args->scratch_stride, (int)Worker, (size_t)ScratchBytes);

  /* Rows go to the workers in turn, phase by phase, each by another worker. */
  for (int64_t R = Worker; R < Args->rows; R += Workers)
    memcpy(slot(Args, Args->sequence[R], Args->position[R]), &Args->token[R], sizeof(int32_t));
  Args->barrier(Args->barrier_context, Worker);
  for (int64_t R = Workers - 1 - Worker; R < Args->rows; R += Workers) {
    int32_t Sum = 0;
    for (int64_t P = 0; P <= Args->position[R]; ++P) {
      int32_t Token;
      memcpy(&Token, slot(Args, Args->sequence[R], P), sizeof(Token));
      Sum += Token;
    }
    for (int32_t Layer = 0; Layer < FakeLayers; ++Layer)
      Sum += Args->layer_runs[Layer] ? 0 : FakeLeftOut << Layer;
    memcpy(Args->arena + R * ArenaBytesPerRow, &Sum, sizeof(Sum));
  }
  Args->barrier(Args->barrier_context, Worker);
  for (int64_t I = Worker; I < Args->logits_rows; I += Workers)
    writeLogits(Args, I);
  return 0;
}

EXPORT int32_t lathe_entry_decode(lathe_step_args *Args, int64_t Worker, int64_t Workers) {
  return run(Args, Worker, Workers, 1, 64);
}

EXPORT int32_t lathe_entry_prefill(lathe_step_args *Args, int64_t Worker, int64_t Workers) {
  return run(Args, Worker, Workers, FakePrefillRows, 100);
}
