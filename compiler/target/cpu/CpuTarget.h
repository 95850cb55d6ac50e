//===- CpuTarget.h - CPUs that code is made for -----------------*- C++ -*-===//
//
// A target names the instructions that may be used and the sizes of register
// tiles that suit them.  A target is added by one file that registers itself.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_CPUTARGET_H
#define LATHE_COMPILER_TARGET_CPU_CPUTARGET_H

#include "compiler/target/cpu/Int8Dot.h"

#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>
#include <vector>

namespace lathe::compiler {

struct CpuTarget {
  std::string name;                  ///< As given to --target.
  std::string cpu;                   ///< LLVM's target-cpu.
  std::vector<std::string> features; ///< Needed beyond baseline x86-64, as CPUID names them.
  int64_t vectorBits;
  int64_t registers; ///< Of vectorBits each.

  /// Picoseconds that a core takes for a vector instruction when nothing else is in its
  /// way: one multiply-add of f32, the same with a result that the next one waits for, one
  /// product of int8 with what adds it, one load.  And the bytes of its nearest cache.
  /// The sizes below are chosen by them (TileModel.h); only their ratios count.
  int64_t multiplyAddTime, multiplyAddLatency, int8StepTime, loadTime, nearestCacheBytes;

  /// Sizes of tiles; those that are 0 are chosen when the target is looked for.  None
  /// changes a bit of any result.
  int64_t rowTile = 0;          ///< Rows of int8 activations in a register tile.
  int64_t columnTile = 0;       ///< Outputs that meet them, 16 or 32.
  int64_t floatRowTile = 0;     ///< Rows of f32 and bf16 activations.
  int64_t floatColumnTile = 0;  ///< Outputs that meet them, 16 or 32.
  int64_t floatDepth = 0;       ///< k for which they meet, from weights in the nearest cache.
  int64_t rowChunk = 0;         ///< Rows that pass a tile: their sums fit there, too.
  int64_t prefetchBytes = 2048; ///< Weights are asked for so far ahead; 0: never.
  std::shared_ptr<const Int8Dot> int8Dot;
  /// Adds the products of vector<32xi16>, two neighbours to a sum, to 16 i32 sums.
  mlir::Value (*int16Dot)(KernelBuilder &k, mlir::Value sums, mlir::Value words,
                          mlir::Value factors);
  /// Adds the products of vector<64xi8>, rows without a sign and weights with one, four
  /// neighbours to a sum, to 16 i32 sums; null where the machine has no such instruction.
  mlir::Value (*byteDot)(KernelBuilder &k, mlir::Value sums, mlir::Value rows,
                         mlir::Value weights) = nullptr;
  /// Adds the products of pairs of bf16 to 16 f32 sums; null where the machine
  /// has no such instruction.
  mlir::Value (*bf16Dot)(KernelBuilder &k, mlir::Value sums, mlir::Value weights,
                         mlir::Value rows) = nullptr;
  /// f32 to bf16, as its operands want it; null where that is.
  mlir::Value (*roundToBF16)(KernelBuilder &k, mlir::Value x) = nullptr;
  /// Whether it has an instruction for x 2^n.
  bool scalesByPowers = false;
  /// Runs for the sake of tests what the machine has no instructions for; never
  /// the choice for "host".
  bool emulated = false;

  /// LLVM's target-features: "+avx2,+fma,...".
  std::string featureString() const;
};

struct CpuTargetRegistration {
  explicit CpuTargetRegistration(CpuTarget target);
};

/// The registered target of that name; "host" is the one with the widest vectors
/// that this CPU and its system can run, a triple of x86-64 Linux
/// ("x86_64-linux-gnu") the one that asks for the fewest features, emulation aside.
/// Numbers may follow the name, "x86-64-v3:row-tile=3,load-time=90", and are a part of
/// the target's name then.  Null when there is no such target or number.
const CpuTarget *findCpuTarget(llvm::StringRef name);

/// Why there is no target of that name: LLVM knows the machine and we do not, or it
/// is unknown altogether.
std::string explainMissingTarget(llvm::StringRef name);

/// A number of a target that can be overridden.
struct TargetNumber {
  llvm::StringLiteral name;
  int64_t CpuTarget::*field;
  int64_t least, most, multiple = 1;
};
/// What a core takes, and the sizes that are chosen by it.
llvm::ArrayRef<TargetNumber> allCoreNumbers();
llvm::ArrayRef<TargetNumber> allTargetSizes();

/// All registered names, sorted.
std::vector<std::string> allCpuTargets();

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_CPUTARGET_H
