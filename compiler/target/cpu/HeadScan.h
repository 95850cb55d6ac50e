//===- HeadScan.h - Functions that screen an output head --------*- C++ -*-===//
//
// Functions of the module which phases with a `lathe.head_topk` call.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_HEADSCAN_H
#define LATHE_COMPILER_TARGET_CPU_HEADSCAN_H

#include "compiler/target/cpu/TileEmitter.h"

namespace lathe::compiler {

/// The greatest number of logits that a head finds without computing all.
inline constexpr int64_t MostWantedLogits = 64;

/// The rows that a head multiplies, and the norms of their blocks.
struct HeadInput {
  Rows rows;
  mlir::Value norms; ///< f32 [rows][blocks]: scale times the norm of the elements.
};

/// Stores `input.norms` of row `row` (i64), and gives the sum of them.
mlir::Value emitBlockNorms(KernelBuilder &k, const HeadInput &input, mlir::Value row,
                           int64_t blocks);

/// Where emitBounds reads and writes.
struct BoundsOperands {
  mlir::Value panel;   ///< The packed panel.
  mlir::Value rows;    ///< i64: rows of the panel that there are.
  mlir::Value bounds;  ///< f32 [32]: no logit is above; -infinity for rows that are not there.
  mlir::Value maximum; ///< f32: the greatest of them, NaN where one is.
};

/// Calls the function that bounds the logits of a panel of `weight` by its coarse weights,
/// for the only row of the input.
void emitBounds(PhaseContext &context, const HeadInput &input, mlir::Value weight,
                const BoundsOperands &operands);

/// The same of several rows.
struct RowBoundsOperands {
  mlir::Value inputRows;             ///< i64: how many, at least 1.
  mlir::Value products;              ///< f32 [input rows][32]: the coarse products.
  BoundsOperands first;              ///< Of the first row; `bounds` and `maximum` of the others ...
  int64_t boundsBytes, maximumBytes; ///< ... are so far from row to row.
};

/// Calls the function that makes bounds of the coarse products of a panel.
void emitRowBounds(PhaseContext &context, const HeadInput &input, mlir::Value weight,
                   const RowBoundsOperands &operands);

/// The greatest of 32 bounds in memory, NaN where one is.
mlir::Value emitMaximum(KernelBuilder &k, mlir::Value bounds);

/// A number and its place.
struct Found {
  mlir::Value value, index; ///< f32, -infinity where there is none; i64.
};

/// The next of `vectors` (i64) times 16 numbers in order: the greatest, and of equal ones
/// that with the lowest index, of those behind `last` in that order.  A NaN is never
/// found.  Clobbers 16 bytes at `scratch`.
Found emitNext(PhaseContext &context, mlir::Value numbers, mlir::Value vectors, const Found &last,
               mlir::Value scratch);
/// What all numbers are behind.
Found firstOfAll(KernelBuilder &k);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_HEADSCAN_H
