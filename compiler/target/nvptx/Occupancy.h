//===- Occupancy.h - Blocks that a processor has room for -------*- C++ -*-===//
//
// From the CUDA C++ Programming Guide, "Compute Capabilities", the rules by which NVIDIA's
// occupancy calculator rounds, and the data sheets of A100, L40S and H200.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_OCCUPANCY_H
#define LATHE_COMPILER_TARGET_NVPTX_OCCUPANCY_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace lathe::compiler {

/// What one multiprocessor has for the blocks that it runs at once.
struct ProcessorLimits {
  int64_t registers; ///< Of 32 bits.
  int64_t warps, blocks;
  int64_t sharedBytes;      ///< With what the system takes of it for each block.
  int64_t blockSharedBytes; ///< That one block may have.
};

/// What a GPU does at most in a second, as its data sheet tells: bytes of its memory, and
/// multiplications and additions, dense.
struct GpuPeaks {
  llvm::StringRef name;
  double bytesPerSecond, int8, bf16, f32;
};

/// A GPU that `chip` is made for.
struct GpuKind {
  ProcessorLimits limits;
  GpuPeaks peaks;
};
/// Null for another chip.
const GpuKind *findGpuKind(llvm::StringRef chip);

struct Occupancy {
  int64_t blocks = 0;              ///< On one multiprocessor; 0 where not even one fits.
  double share = 0;                ///< Of the warps that it can hold.
  llvm::StringRef limit = "warps"; ///< "registers", "shared memory", "warps" or "blocks".
};

/// Of a kernel of `threads` threads in a block.
Occupancy computeOccupancy(const ProcessorLimits &limits, int64_t threads, int64_t registers,
                           int64_t sharedBytes);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_OCCUPANCY_H
