//===- KernelBuilder.h - Builds kernel-level IR -----------------*- C++ -*-===//
//
// A thin layer over OpBuilder for the IR of the kernel level: `scf` loops,
// `arith` and `vector` on values, loads and stores through bare pointers with
// byte offsets.  Loop counters and offsets are i64.
//
// All arithmetic is written on vectors of 16 lanes whatever the machine has, so
// that the order of every sum, and with it every bit, is the same on all
// targets of a kind.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_KERNELBUILDER_H
#define LATHE_COMPILER_TARGET_CPU_KERNELBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"

namespace lathe::compiler {

/// Lanes of every vector of f32 or i32.
inline constexpr int64_t Lanes = 16;

class KernelBuilder {
public:
  using Body = llvm::function_ref<void(mlir::Value)>;
  using CarriedBody =
      llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::Value, mlir::ValueRange)>;

  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc, bool scalesByPowers = false)
      : scalesByPowers(scalesByPowers), b(builder), loc(loc) {}

  /// See CpuTarget::scalesByPowers.
  const bool scalesByPowers;

  mlir::OpBuilder &builder() { return b; }
  mlir::Location getLoc() const { return loc; }

  // Types.
  mlir::Type f32() { return b.getF32Type(); }
  mlir::Type i64() { return b.getI64Type(); }
  mlir::Type i32() { return b.getI32Type(); }
  mlir::Type i16() { return b.getI16Type(); }
  mlir::Type i8() { return b.getI8Type(); }
  mlir::Type ptr() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  mlir::VectorType vec(mlir::Type element, int64_t lanes = Lanes) {
    return mlir::VectorType::get(lanes, element);
  }

  // Integers (i64).
  mlir::Value constant(int64_t value);
  mlir::Value add(mlir::Value a, mlir::Value c);
  mlir::Value add(mlir::Value a, int64_t c);
  mlir::Value sub(mlir::Value a, mlir::Value c);
  mlir::Value mul(mlir::Value a, mlir::Value c);
  mlir::Value mul(mlir::Value a, int64_t c);
  mlir::Value div(mlir::Value a, int64_t c);
  mlir::Value div(mlir::Value a, mlir::Value c);
  mlir::Value rem(mlir::Value a, int64_t c);
  mlir::Value ceilDiv(mlir::Value a, mlir::Value c);
  mlir::Value min(mlir::Value a, mlir::Value c);
  mlir::Value max(mlir::Value a, mlir::Value c);
  mlir::Value less(mlir::Value a, mlir::Value c);
  mlir::Value equal(mlir::Value a, mlir::Value c);

  // Memory.
  mlir::Value at(mlir::Value pointer, mlir::Value bytes);
  mlir::Value at(mlir::Value pointer, int64_t bytes);
  mlir::Value at(mlir::Value pointer, mlir::Value bytes, int64_t more);
  mlir::Value load(mlir::Type type, mlir::Value pointer);
  void store(mlir::Value value, mlir::Value pointer);
  /// Asks for `bytes` from `pointer` on, line by line; nothing need be there.
  void prefetch(mlir::Value pointer, int64_t bytes);
  /// An f32 in memory, in all lanes.
  mlir::Value loadSplat(mlir::Value pointer, int64_t lanes = Lanes);

  // Vectors and floats; scalars work too where both operands are scalars.
  mlir::Value floatConstant(float value);
  mlir::Value splat(float value, int64_t lanes = Lanes);
  mlir::Value splatInt(mlir::Type element, int64_t value, int64_t lanes = Lanes);
  mlir::Value broadcast(mlir::Value scalar, int64_t lanes = Lanes);
  mlir::Value addf(mlir::Value a, mlir::Value c);
  mlir::Value subf(mlir::Value a, mlir::Value c);
  mlir::Value mulf(mlir::Value a, mlir::Value c);
  mlir::Value divf(mlir::Value a, mlir::Value c);
  mlir::Value maxf(mlir::Value a, mlir::Value c);
  mlir::Value fma(mlir::Value a, mlir::Value c, mlir::Value d);
  mlir::Value bitcast(mlir::Value vector, mlir::VectorType type);
  mlir::Value slice(mlir::Value vector, int64_t offset, int64_t size);
  mlir::Value shuffle(mlir::Value a, mlir::Value c, llvm::ArrayRef<int64_t> mask);
  mlir::Value extract(mlir::Value vector, int64_t lane);
  mlir::Value select(mlir::Value condition, mlir::Value a, mlir::Value c);
  mlir::Value compare(mlir::arith::CmpFPredicate predicate, mlir::Value a, mlir::Value c);
  /// f32 lanes of an f16, bf16 or f32 vector.
  mlir::Value extend(mlir::Value vector);
  /// f32 lanes of an i32 vector (signed).
  mlir::Value toFloat(mlir::Value vector);
  /// `bits` bits of every i32 lane, from bit `from` on, without or with a sign.
  mlir::Value field(mlir::Value vector, int64_t from, int64_t bits);
  mlir::Value signedField(mlir::Value vector, int64_t from, int64_t bits);
  /// The even and the odd one of pairs of bf16, as f32: of a vector<2Nxbf16> or <Nxi32>.
  std::pair<mlir::Value, mlir::Value> splitPairs(mlir::Value pairs);
  mlir::Value intrinsic(llvm::StringRef name, mlir::Type result, mlir::ValueRange operands);

  /// Folds all lanes by a fixed tree: halves onto each other until one is left.
  mlir::Value reduce(mlir::Value vector,
                     llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> fold);
  mlir::Value reduceAdd(mlir::Value vector);
  mlir::Value reduceMax(mlir::Value vector);

  // Control flow.
  void forLoop(mlir::Value from, mlir::Value to, mlir::Value step, Body body);
  void forLoop(mlir::Value from, mlir::Value to, int64_t step, Body body) {
    forLoop(from, to, constant(step), body);
  }
  llvm::SmallVector<mlir::Value> forLoop(mlir::Value from, mlir::Value to, int64_t step,
                                         mlir::ValueRange inits, CarriedBody body);
  void ifThen(mlir::Value condition, llvm::function_ref<void()> then);
  void ifThenElse(mlir::Value condition, llvm::function_ref<void()> then,
                  llvm::function_ref<void()> otherwise);

private:
  mlir::OpBuilder &b;
  mlir::Location loc;
};

/// The greatest power of two up to `Lanes` that divides all of `sizes`.
int64_t commonLanes(llvm::ArrayRef<int64_t> sizes);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_KERNELBUILDER_H
