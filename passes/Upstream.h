//===- Upstream.h - Ops of other dialects beside ours -----------*- C++ -*-===//
//
// What a program has no op of ours for stays in `linalg`, `tensor`, `arith`, `math`
// and `scf`.  Nothing here asks an op's name where it has an interface or a trait
// that tells.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_PASSES_UPSTREAM_H
#define LATHE_PASSES_UPSTREAM_H

#include "mlir/IR/Operation.h"

namespace lathe {

/// Whether `op` computes and is of a dialect that is not ours.
bool isUpstream(mlir::Operation *op);

/// Whether a block of a function, group or phase holds such an op.
bool holdsUpstream(mlir::Block &block);

/// A tensor of which the first dimension, and no other, is unknown: it counts the
/// rows of a step.
bool isTensorOfRows(mlir::Type type);

/// Whether each row of `op`'s results depends on the same row of its operands alone,
/// so that any of the rows can be computed without the others.  So can what knows no
/// rows at all.
bool worksRowByRow(mlir::Operation *op);

} // namespace lathe

#endif // LATHE_PASSES_UPSTREAM_H
