/*===- FakeProgram.h - A compiled program written by hand ---------*- C -*-===*\
|*
|* Exports what a compiled program exports (runtime/include/lathe/abi.h).  Its
|* model has 16 tokens; the logits of a row depend on all tokens before it in
|* its sequence, so that a wrong position, slab or order shows:
|*
|*   logits[v] = weight[v] + (v == (sum of tokens 0..position) % 16 ? 100 : 0)
|*
|* A layer l of its 3 that is left out adds 2 << l to that sum.
|*
|* Token 15 makes an entry fail with status 7.
|*
\*===----------------------------------------------------------------------===*/

#ifndef LATHE_TEST_UNIT_FAKE_FAKEPROGRAM_H
#define LATHE_TEST_UNIT_FAKE_FAKEPROGRAM_H

#include "lathe/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FakeVocabulary = 16, FakeFailingToken = 15, FakeFailure = 7, FakePrefillRows = 4 };
enum { FakeLayers = 3, FakeLeftOut = 2 };

extern const char lathe_manifest[];
extern const int64_t lathe_manifest_size;
int32_t lathe_entry_decode(lathe_step_args *Args, int64_t Worker, int64_t Workers);
int32_t lathe_entry_prefill(lathe_step_args *Args, int64_t Worker, int64_t Workers);

#ifdef __cplusplus
}
#endif

#endif /* LATHE_TEST_UNIT_FAKE_FAKEPROGRAM_H */
