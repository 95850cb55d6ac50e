//===- PhaseParts.h - What phases are made of -------------------*- C++ -*-===//
//
// Parts of phases that the emitters of every target look for.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_PHASEPARTS_H
#define LATHE_COMPILER_TARGET_PHASEPARTS_H

#include "dialects/Lathe/LatheOps.h"
#include "dialects/Step/StepOps.h"

#include <utility>

namespace lathe::compiler {

/// The attention of a phase and the value that is stored, which may be another
/// view of it; null when something else stands in the phase.
std::pair<ir::AttentionOp, mlir::Value> findAttention(step::PhaseOp phase);

/// What a phase over rows does with each.
struct RowPhaseParts {
  llvm::SmallVector<mlir::Operation *> ops; ///< In order, without loads, stores and weights.
  /// Rows that are loaded and stored to another place.
  llvm::SmallVector<step::StoreOp> copies;
};
RowPhaseParts findRowParts(step::PhaseOp phase);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_PHASEPARTS_H
