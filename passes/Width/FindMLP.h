//===- FindMLP.h - The MLPs of a layer --------------------------*- C++ -*-===//

#ifndef LATHE_PASSES_WIDTH_FINDMLP_H
#define LATHE_PASSES_WIDTH_FINDMLP_H

#include "dialects/Lathe/LatheOps.h"

#include <optional>

namespace lathe {

/// Contractions on both sides of some neurons: each neuron is an output of all of `inner`
/// and an input of `outer`, and nothing between them, or else, reads more than one at a time.
struct MLP {
  llvm::SmallVector<ir::LinearOp, 2> inner; ///< Gate and up, mostly.
  ir::LinearOp outer;                       ///< Down.
  llvm::SmallVector<ir::BiasOp, 2> biases;  ///< Of the neurons.
  int64_t neurons = 0;
  /// Neurons that are packed together, and so computed together or not at all.
  int64_t step = 0;

  /// Whether there is more than one width.
  bool canBeNarrow() const { return neurons % step == 0 && neurons > step; }
};

/// Stores the weights of these MLPs in the order of tensors `width.{}.order` of `file`.
/// Fails where a weight is read elsewhere, too.
llvm::LogicalResult orderNeurons(mlir::Operation *module, llvm::ArrayRef<MLP> mlps,
                                 llvm::StringRef file);

/// The MLP that ends in `outer`, if there is one.
std::optional<MLP> findMLP(ir::LinearOp outer);

} // namespace lathe

#endif // LATHE_PASSES_WIDTH_FINDMLP_H
