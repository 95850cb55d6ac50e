//===- FusionPlan.h - Which ops of a block belong together ------*- C++ -*-===//

#ifndef LATHE_PASSES_FUSION_FUSIONPLAN_H
#define LATHE_PASSES_FUSION_FUSIONPLAN_H

#include "dialects/Lathe/LatheOps.h"
#include "passes/Exits/Exits.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/SmallVector.h"

#include <optional>
#include <string>

namespace lathe {

struct FusionOptions {
  bool prologues = true;
  bool epilogues = true;
  bool siblings = true;
};

/// The groups of one block.  A group is known by its number; an op's operands
/// never come from a group with a higher number than its own.
class FusionPlan {
public:
  enum class Kind { Contraction, Attention, Rows, Elementwise };
  struct Group {
    Kind kind;
    llvm::SmallVector<mlir::Operation *> ops; ///< In program order after `order()`.
    std::string name;
  };

  FusionPlan(mlir::Block &block, const FusionOptions &options);

  /// The groups and the ops outside of groups (as groups of one op without a
  /// kind), in an order in which all operands come first.
  struct Unit {
    std::optional<unsigned> group;
    mlir::Operation *single = nullptr;
  };
  llvm::SmallVector<Unit> order() const;
  const Group &getGroup(unsigned index) const { return groups[index]; }

  /// Why an op did not join the group of its operands or users; empty if it did.
  llvm::StringRef whyNot(mlir::Operation *op) const { return reasons.lookup(op); }
  std::optional<unsigned> groupOf(mlir::Operation *op) const;

  unsigned numPrologues = 0, numEpilogues = 0, numSiblings = 0;

private:
  void markSelected();
  void seed();
  void absorbEpilogues();
  void absorbPrologues();
  void groupLeftovers();
  void nameGroups();
  void join(mlir::Operation *op, unsigned group);
  unsigned create(Kind kind, mlir::Operation *op);
  std::optional<unsigned> latestOperandGroup(mlir::Operation *op) const;
  std::optional<unsigned> groupOfUsers(mlir::Operation *op) const;
  bool needsThroughOthers(llvm::ArrayRef<mlir::Operation *> from,
                          llvm::ArrayRef<mlir::Operation *> to) const;
  /// Whether it has the rows of the group's ops, and is needed where they are.
  bool isLike(mlir::Operation *op, unsigned group) const;
  bool isSibling(mlir::Operation *op, unsigned group) const;

  mlir::Block &block;
  FusionOptions options;
  llvm::SmallVector<Group> groups;
  llvm::DenseMap<mlir::Operation *, unsigned> groupOfOp;
  llvm::DenseMap<mlir::Operation *, llvm::StringRef> reasons;
  llvm::SmallPtrSet<mlir::Operation *, 8> selected; ///< Ops on the rows that want logits.
  Purposes purposes;
};

} // namespace lathe

#endif // LATHE_PASSES_FUSION_FUSIONPLAN_H
