//===- GpuBuilder.h - Builds the code of one GPU thread ---------*- C++ -*-===//
//
// KernelBuilder with what threads of a block do together: barriers, shuffles and
// reductions.  Values are of one thread: scalars, or short vectors that are loaded
// and stored whole.  Only LLVM's NVVM intrinsics are used, so that the same LLVM IR
// goes to NVPTX and to the emulator.
//
// `LLVM::AtomicRMWOp` is always monotonic here, with fences around it: LLVM 22's
// NVPTX backend drops stronger orderings of it without a word.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUBUILDER_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUBUILDER_H

#include "compiler/target/cpu/KernelBuilder.h"

namespace lathe::compiler {

/// Threads of every block, and of a warp.  Sums are divided among them, so another
/// number of threads would give other bits.
inline constexpr int64_t BlockThreads = 256, WarpThreads = 32;
inline constexpr int64_t BlockWarps = BlockThreads / WarpThreads;

class GpuBuilder : public KernelBuilder {
public:
  using KernelBuilder::KernelBuilder;

  // Integers.
  mlir::Value remainder(mlir::Value a, mlir::Value c);
  mlir::Value narrow(mlir::Value wide);                        ///< i64 to i32.
  mlir::Value widen(mlir::Value narrow);                       ///< i32 to i64, with its sign.
  mlir::Value integer(int64_t value);                          ///< i32.
  mlir::Value shiftRight(mlir::Value words, mlir::Value bits); ///< i32 lanes, by an i32.
  mlir::Value mask(mlir::Value words, int64_t bits);           ///< i32 lanes and a constant.
  mlir::Value intToFloat(mlir::Value integers); ///< Signed, scalar or vector, to f32.
  mlir::Value both(mlir::Value a, mlir::Value c);

  // Floats.
  /// e^x of an f32, or of each lane, by the GPU's 2^x: exactly 1 at 0, and 0 far below; of an
  /// error of about 2^-22, and of that of x / log(2) as an f32.
  mlir::Value exp(mlir::Value x);

  // Memory.
  /// Pointers into global memory.  LLVM finds out what a plain pointer that is cast from
  /// one points to, and where both directions of a cast meet it keeps neither.
  mlir::Type globalPtr();
  mlir::Value toGlobal(mlir::Value pointer);
  mlir::Value fromGlobal(mlir::Value pointer);
  /// A pointer into global memory that lies in memory, as a plain one.
  mlir::Value loadPointer(mlir::Value place, bool isConstant = false);
  mlir::Value loadWide(mlir::Type type, mlir::Value pointer, int64_t alignment);
  void storeWide(mlir::Value value, mlir::Value pointer, int64_t alignment);
  /// Of memory that nothing writes while the kernel runs: weights, never activations.
  mlir::Value loadConstant(mlir::Type type, mlir::Value pointer, int64_t alignment);

  // Threads.
  mlir::Value specialRegister(llvm::StringRef name);   ///< "tid.x", as i64.
  void barrier();                                      ///< Of the block.
  mlir::Value shuffleXor(mlir::Value x, int64_t mask); ///< f32 or i32 of lane ^ mask.
  /// Folds x of 32 lanes, by a fixed tree; all lanes get the result.
  using Fold = llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)>;
  mlir::Value warpReduce(mlir::Value x, Fold fold);
  /// All blocks meet.  `counter` is an i64 in global memory, 0 when the kernel starts.
  void gridBarrier(mlir::Value counter, mlir::Value thread, mlir::Value blocks);

  /// Lanes of the warp meet: what one wrote, all may read.
  void warpBarrier();

  // Tensor cores: D = A B + C for 16 rows and 8 columns, in fragments as PTX's mma has them.
  using Words = llvm::SmallVector<mlir::Value, 4>;
  /// i32 words of four bytes with a sign, for 32 k (4 of A, 2 of B) or 16 (2 and 1); i32 sums.
  Words multiplyBytes(llvm::ArrayRef<mlir::Value> a, llvm::ArrayRef<mlir::Value> c,
                      llvm::ArrayRef<mlir::Value> sums);
  /// i32 words of two bf16, for 16 k (4 of A, 2 of B); f32 sums.
  Words multiplyBF16(llvm::ArrayRef<mlir::Value> a, llvm::ArrayRef<mlir::Value> c,
                     llvm::ArrayRef<mlir::Value> sums);
  /// The same of two f16.
  Words multiplyF16(llvm::ArrayRef<mlir::Value> a, llvm::ArrayRef<mlir::Value> c,
                    llvm::ArrayRef<mlir::Value> sums);

  // Copies into shared memory that a thread does not wait for; in groups, in order.
  /// 4 or 16 bytes, at multiples of that.
  void copyAsync(mlir::Value to, mlir::Value from, int64_t bytes);
  void closeCopies();
  /// Waits for all groups of the thread's own copies but the latest ones.
  void waitForCopies(int64_t groupsLeft);

  /// A function of VectorMath.h on a scalar f32.
  mlir::Value onScalar(mlir::Value x,
                       llvm::function_ref<mlir::Value(KernelBuilder &, mlir::Value)> function);

  /// Loops with `count` items over the threads that begin at `first`, `step` apart.
  void strided(mlir::Value first, mlir::Value count, int64_t step, Body body) {
    forLoop(first, count, step, body);
  }

private:
  /// An intrinsic without a result.
  void act(llvm::StringRef name, mlir::ValueRange operands);
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUBUILDER_H
