//===- GroupUpstream.cpp - Groups of ops of other dialects -----------------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/Fusion/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"
#include "passes/Upstream.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

namespace lathe {
#define GEN_PASS_DEF_GROUPUPSTREAMPASS
#include "passes/Fusion/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

/// All values from outside that `op` uses, nested ops included.
static llvm::SetVector<Value> usesOf(Operation *op) {
  llvm::SetVector<Value> used(op->operand_begin(), op->operand_end());
  getUsedValuesDefinedAbove(op->getRegions(), used);
  return used;
}

static bool hasTensorResult(Operation *op) {
  return llvm::any_of(op->getResultTypes(), llvm::IsaPred<TensorType>);
}

namespace {

/// The ops that are computed wherever they are needed.
class Floating {
public:
  explicit Floating(Operation *root) {
    // Ops come behind those that they use.
    root->walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (!isUpstream(op))
        return WalkResult::advance();
      add(op);
      return WalkResult::skip();
    });
  }

  bool contains(Operation *op) const { return op && floating.contains(op); }

  /// What `op` copies into its group: each behind those that it uses.
  SmallVector<Operation *> copiesOf(Operation *op) const {
    llvm::SetVector<Operation *> found;
    SmallVector<std::pair<Operation *, bool>> stack{{op, false}};
    while (!stack.empty()) {
      auto [next, usesAreFound] = stack.pop_back_val();
      if (found.contains(next))
        continue;
      if (usesAreFound) {
        found.insert(next);
        continue;
      }
      stack.push_back({next, true});
      for (Value used : usesOf(next))
        if (contains(used.getDefiningOp()))
          stack.push_back({used.getDefiningOp(), false});
    }
    found.pop_back(); // The op itself.
    return found.takeVector();
  }

private:
  void add(Operation *op) {
    if (!isMemoryEffectFree(op))
      return;
    bool tensors = hasTensorResult(op);
    bool known = isa<tensor::DimOp>(op) || llvm::all_of(usesOf(op), [&](Value value) {
                   Operation *def = value.getDefiningOp();
                   return def && (isa<WeightOp>(def) || parameters.contains(def));
                 });
    // What an op of ours takes must come from a group.
    if (known && !(tensors && llvm::any_of(op->getUsers(), isOurs)))
      parameters.insert(op);
    if (!tensors || parameters.contains(op))
      floating.insert(op);
  }

  /// Terminators of upstream regions pass values on inside their op.
  static bool isOurs(Operation *user) {
    return !isUpstream(user) &&
           !(user->hasTrait<OpTrait::IsTerminator>() && isUpstream(user->getParentOp()));
  }

  DenseSet<Operation *> parameters; ///< Depend on nothing that a step computes.
  DenseSet<Operation *> floating;
};

/// Ops of a block that follow each other.
struct Run {
  SmallVector<Operation *> ops;
  bool byRows = false, selected = false;
};

struct GroupUpstreamPass : lathe::impl::GroupUpstreamPassBase<GroupUpstreamPass> {
  using GroupUpstreamPassBase::GroupUpstreamPassBase;

  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation()->walk([&](Block *block) {
      Operation *parent = block->getParentOp();
      if (holdsUpstream(*block) && !isUpstream(parent) && !isa<GroupOp>(parent))
        blocks.push_back(block);
    });
    Floating floating(getOperation());
    SmallVector<Run> runs;
    SmallVector<Operation *> copied;
    for (Block *block : blocks) {
      findRuns(*block, floating, runs);
      for (Operation &op : *block)
        if (floating.contains(&op))
          copied.push_back(&op);
    }
    for (const Run &run : runs)
      materialize(run, floating);
    eraseUnused(copied);
  }

  PassCounter numGroups{"groups", "groups made of ops of other dialects"};
  PassCounter numCopies{"copies", "ops copied into them"};

private:
  /// Whether `op`, with what it copies into its group, computes each row alone.
  static bool worksByRows(Operation *op, const Floating &floating) {
    return worksRowByRow(op) && llvm::all_of(op->getResultTypes(), isTensorOfRows) &&
           llvm::all_of(floating.copiesOf(op), worksRowByRow);
  }

  void findRuns(Block &block, const Floating &floating, SmallVectorImpl<Run> &runs) {
    llvm::SmallPtrSet<Operation *, 16> selected;
    bool open = false;
    for (Operation &op : block.without_terminator()) {
      auto fusable = dyn_cast<FusionOpInterface>(op);
      bool selects = fusable && fusable.selectsRows();
      bool behind = selects || llvm::any_of(usesOf(&op), [&](Value value) {
                      return selected.contains(value.getDefiningOp());
                    });
      if (behind)
        selected.insert(&op);
      if (isa<WeightOp>(op) || floating.contains(&op))
        continue;
      if (!isUpstream(&op)) {
        open = false;
        continue;
      }
      bool byRows = worksByRows(&op, floating);
      if (!open || runs.back().byRows != byRows || runs.back().selected != behind)
        runs.push_back({{}, byRows, behind});
      runs.back().ops.push_back(&op);
      open = true;
    }
  }

  /// Whether more than the members, and what is copied to them, need `value`.
  static bool isNeededOutside(Value value, const llvm::SmallPtrSetImpl<Operation *> &members,
                              const Floating &floating) {
    llvm::SetVector<Value> values;
    values.insert(value);
    for (size_t i = 0; i < values.size(); ++i)
      for (Operation *user : values[i].getUsers()) {
        Operation *ancestor = value.getParentBlock()->findAncestorOpInBlock(*user);
        if (floating.contains(ancestor))
          values.insert(ancestor->result_begin(), ancestor->result_end());
        else if (!members.contains(ancestor))
          return true;
      }
    return false;
  }

  static std::string nameOf(const Run &run) {
    constexpr unsigned most = 3;
    llvm::SmallSetVector<StringRef, 4> parts;
    for (Operation *op : run.ops)
      if (parts.size() < most)
        parts.insert(op->getName().stripDialect());
    return llvm::join(parts, "+");
  }

  void materialize(const Run &run, const Floating &floating) {
    llvm::SmallPtrSet<Operation *, 8> members(run.ops.begin(), run.ops.end());
    SmallVector<Value> results;
    for (Operation *op : run.ops)
      for (Value result : op->getResults())
        if (isNeededOutside(result, members, floating))
          results.push_back(result);
    OpBuilder builder(run.ops.back());
    auto group = GroupOp::create(builder, run.ops.front()->getLoc(), ValueRange(results).getTypes(),
                                 builder.getStringAttr(nameOf(run)));
    Block *body = builder.createBlock(&group.getBody());
    IRMapping copies;
    llvm::SmallPtrSet<Operation *, 8> copied;
    for (Operation *op : run.ops) {
      builder.setInsertionPointToEnd(body);
      for (Operation *needed : floating.copiesOf(op))
        if (copied.insert(needed).second) {
          builder.clone(*needed, copies);
          ++numCopies;
        }
      op->moveBefore(body, body->end());
      op->walk([&](Operation *inner) {
        for (OpOperand &operand : inner->getOpOperands())
          operand.set(copies.lookupOrDefault(operand.get()));
      });
    }
    builder.setInsertionPointToEnd(body);
    YieldOp::create(builder, group.getLoc(), results);
    for (auto [inner, outer] : llvm::zip(results, group.getResults()))
      inner.replaceUsesWithIf(
          outer, [&](OpOperand &use) { return !group->isProperAncestor(use.getOwner()); });
    ++numGroups;
  }

  /// Later ops use earlier ones.
  static void eraseUnused(ArrayRef<Operation *> copied) {
    for (Operation *op : llvm::reverse(copied))
      if (op->use_empty())
        op->erase();
  }
};

} // namespace

static const lathe::PassCounters<GroupUpstreamPass> counters{&GroupUpstreamPass::numGroups,
                                                             &GroupUpstreamPass::numCopies};
static const lathe::PassEffectRegistration effect("lathe-group-upstream",
                                                  {lathe::NumericEffect::Exact});
