//===- Exits.h - What other passes do with exits ----------------*- C++ -*-===//

#ifndef LATHE_PASSES_EXITS_EXITS_H
#define LATHE_PASSES_EXITS_EXITS_H

#include "mlir/IR/Operation.h"
#include "llvm/ADT/DenseMap.h"

namespace lathe {

/// What an op of a layer's body is needed for; what is needed for two things is for the
/// first.
enum class Purpose { Layer, Confidence, Leaving };

/// The purposes of the ops of a body that may be left.
class Purposes {
public:
  /// Adds those of a body; a block of another kind has none.
  void add(mlir::Block &body);

  /// `Layer` where nothing else is known.
  Purpose of(mlir::Operation *op) const { return known.lookup_or(op, Purpose::Layer); }

private:
  llvm::DenseMap<mlir::Operation *, Purpose> known;
};

/// Makes of the stacks inside `op` what they would be if nobody had written exits: what
/// exits alone need is gone, and so are bodies that differ in nothing else.  Returns how
/// many exits there were.
unsigned dropExits(mlir::Operation *op);

} // namespace lathe

#endif // LATHE_PASSES_EXITS_EXITS_H
