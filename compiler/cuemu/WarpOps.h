//===- WarpOps.h - What the lanes of a warp compute together ----*- C++ -*-===//
//
// The fragments of matrices are as the PTX ISA describes them ("Matrix Fragments for
// mma.m16n8k16", "... for mma.m16n8k32").
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_CUEMU_WARPOPS_H
#define LATHE_COMPILER_CUEMU_WARPOPS_H

#include <cstdint>

namespace lathe::cuemu {

inline constexpr uint32_t WarpThreads = 32;

/// What each lane brings to an operation of its warp, and where it wants what it gets.
struct WarpLanes {
  const uint32_t *operands[WarpThreads];
  uint32_t *results[WarpThreads];
  uint32_t detail; ///< The same in all lanes.
};
using WarpOperation = void (*)(const WarpLanes &lanes);

/// Lanes meet, and no more.
void syncWarp(const WarpLanes &lanes);
/// One word of lane ^ detail.
void shuffleWords(const WarpLanes &lanes);
/// One word of lane `detail`.
void broadcastWord(const WarpLanes &lanes);
/// D = A B + C, of 16 rows and 8 columns: words of A, then of B, then of C; words of D.
/// Bytes with a sign, and i32: 4, 2 and 4 words for 32 k, or 2, 1 and 4 for 16.
void multiplyBytes32(const WarpLanes &lanes);
void multiplyBytes16(const WarpLanes &lanes);
/// bf16 and f32: 4, 2 and 4 words for 16 k, which are added one after the other.  GPUs add in
/// an order of their own, which PTX does not tell.
void multiplyBF16(const WarpLanes &lanes);

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_WARPOPS_H
