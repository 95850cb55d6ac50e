//===- FusionPlan.cpp - Which ops of a block belong together ---------------===//

#include "passes/Fusion/FusionPlan.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

static FusionRole roleOf(Operation *op) {
  auto fusable = dyn_cast<FusionOpInterface>(op);
  return fusable ? fusable.getFusionRole() : FusionRole::None;
}

FusionPlan::FusionPlan(Block &block, const FusionOptions &options)
    : block(block), options(options) {
  markSelected();
  purposes.add(block);
  seed();
  if (options.epilogues)
    absorbEpilogues();
  if (options.prologues)
    absorbPrologues();
  groupLeftovers();
  nameGroups();
}

void FusionPlan::join(Operation *op, unsigned group) {
  groups[group].ops.push_back(op);
  groupOfOp[op] = group;
}

unsigned FusionPlan::create(Kind kind, Operation *op) {
  groups.push_back({kind, {}, {}});
  join(op, groups.size() - 1);
  return groups.size() - 1;
}

std::optional<unsigned> FusionPlan::groupOf(Operation *op) const {
  auto it = groupOfOp.find(op);
  return it == groupOfOp.end() ? std::nullopt : std::optional<unsigned>(it->second);
}

/// Calls `use` for the ops of this block that `op` takes operands from.
static void forEachOperand(Operation *op, llvm::function_ref<void(Operation *)> use) {
  op->walk([&](Operation *nested) {
    for (Value operand : nested->getOperands())
      if (Operation *def = operand.getDefiningOp(); def && def->getBlock() == op->getBlock())
        use(def);
  });
}

/// The highest group that `op` depends on: its own, or through ops that are in
/// none.  Blocks are short, so this walks instead of remembering.
std::optional<unsigned> FusionPlan::latestOperandGroup(Operation *op) const {
  std::optional<unsigned> latest;
  SetVector<Operation *> worklist;
  auto push = [&](Operation *def) { worklist.insert(def); };
  forEachOperand(op, push);
  for (size_t i = 0; i < worklist.size(); ++i) {
    if (std::optional<unsigned> group = groupOf(worklist[i]))
      latest = latest ? std::max(*latest, *group) : *group;
    else
      forEachOperand(worklist[i], push);
  }
  return latest;
}

/// Whether one of `from` needs one of `to` through an op that is in neither;
/// then the two cannot be one group.
bool FusionPlan::needsThroughOthers(ArrayRef<Operation *> from, ArrayRef<Operation *> to) const {
  SetVector<Operation *> others;
  for (Operation *op : from)
    forEachOperand(op, [&](Operation *def) {
      if (!llvm::is_contained(from, def) && !llvm::is_contained(to, def))
        others.insert(def);
    });
  bool found = false;
  for (size_t i = 0; i < others.size() && !found; ++i) {
    Operation *other = others[i];
    std::optional<unsigned> group = groupOf(other);
    for (Operation *member : group ? ArrayRef(groups[*group].ops) : ArrayRef(other))
      forEachOperand(member, [&](Operation *def) {
        found |= llvm::is_contained(to, def);
        others.insert(def);
      });
  }
  return found;
}

/// The one group that all users of `op` are in, if there is one.
std::optional<unsigned> FusionPlan::groupOfUsers(Operation *op) const {
  std::optional<unsigned> group;
  for (Operation *user : op->getUsers()) {
    std::optional<unsigned> found = groupOf(block.findAncestorOpInBlock(*user));
    if (!found || (group && *group != *found))
      return std::nullopt;
    group = found;
  }
  return group;
}

/// Behind the selection of rows that want logits there are fewer rows, and a
/// group has one number of rows.
void FusionPlan::markSelected() {
  for (Operation &op : block) {
    auto fusable = dyn_cast<FusionOpInterface>(op);
    bool behind = fusable && fusable.selectsRows();
    forEachOperand(&op, [&](Operation *def) { behind |= selected.contains(def); });
    if (behind)
      selected.insert(&op);
  }
}

bool FusionPlan::isLike(Operation *op, unsigned group) const {
  Operation *other = groups[group].ops.front();
  return selected.contains(op) == selected.contains(other) && purposes.of(op) == purposes.of(other);
}

/// Whether `op`, which reads what the contractions of a group do, can be computed with them.
/// A router reads what its experts read, and they need what it gives.
bool FusionPlan::isSibling(Operation *op, unsigned group) const {
  std::optional<unsigned> behind = latestOperandGroup(op);
  return isLike(op, group) && op->getName() == groups[group].ops.front()->getName() &&
         (!behind || *behind < group);
}

void FusionPlan::seed() {
  llvm::DenseMap<Value, unsigned> groupOfInput;
  for (Operation &op : block) {
    FusionRole role = roleOf(&op);
    if (role == FusionRole::Attention)
      create(Kind::Attention, &op);
    if (role != FusionRole::Contraction)
      continue;
    Value input = op.getOperand(0);
    auto it = groupOfInput.find(input);
    if (options.siblings && it != groupOfInput.end() && isSibling(&op, it->second)) {
      join(&op, it->second);
      ++numSiblings;
    } else {
      groupOfInput[input] = create(Kind::Contraction, &op);
    }
  }
}

void FusionPlan::absorbEpilogues() {
  for (Operation &op : block) {
    FusionRole role = roleOf(&op);
    if (role != FusionRole::Elementwise && role != FusionRole::View)
      continue;
    std::optional<unsigned> group = latestOperandGroup(&op);
    if (!group) {
      reasons[&op] = "no operand comes from a contraction";
      continue;
    }
    if (groups[*group].kind == Kind::Attention && role != FusionRole::View) {
      reasons[&op] = "attention is a group of its own";
      continue;
    }
    if (!isLike(&op, *group)) {
      reasons[&op] = "its rows are not those of the group, or it is for an exit";
      continue;
    }
    // An ungrouped op between the group and this one would close a circle.
    bool direct = llvm::all_of(op.getOperands(), [&](Value operand) {
      Operation *def = operand.getDefiningOp();
      if (!def || def->getBlock() != &block || groupOf(def))
        return true;
      std::optional<unsigned> behind = latestOperandGroup(def);
      return !behind || *behind < *group;
    });
    if (!direct) {
      reasons[&op] = "an operand needs whole rows of the same group";
      continue;
    }
    join(&op, *group);
    ++numEpilogues;
  }
}

void FusionPlan::absorbPrologues() {
  for (Operation &op : llvm::reverse(block)) {
    if (roleOf(&op) != FusionRole::RowWise)
      continue;
    std::optional<unsigned> group = groupOfUsers(&op);
    if (!group || groups[*group].kind != Kind::Contraction) {
      reasons[&op] = "its results are not for one contraction alone";
      continue;
    }
    if (!isLike(&op, *group)) {
      reasons[&op] = "its rows are not those of the group, or it is for an exit";
      continue;
    }
    std::optional<unsigned> behind = latestOperandGroup(&op);
    if (behind && *behind >= *group) {
      reasons[&op] = "it needs whole rows of the same group";
      continue;
    }
    join(&op, *group);
    ++numPrologues;
  }
}

void FusionPlan::groupLeftovers() {
  std::optional<unsigned> last;
  for (Operation &op : block) {
    FusionRole role = roleOf(&op);
    if (role == FusionRole::None || groupOf(&op))
      continue;
    Kind kind = role == FusionRole::RowWise ? Kind::Rows : Kind::Elementwise;
    // What reads the rows that a group just made goes with them: a residual
    // behind a norm.
    bool reads = last && llvm::any_of(op.getOperands(), [&](Value operand) {
                   return llvm::is_contained(groups[*last].ops, operand.getDefiningOp());
                 });
    bool joins = last && (groups[*last].kind == kind || reads) && isLike(&op, *last) &&
                 !needsThroughOthers(&op, groups[*last].ops) &&
                 !needsThroughOthers(groups[*last].ops, &op);
    if (joins)
      join(&op, *last);
    else
      last = create(kind, &op);
  }
}

void FusionPlan::nameGroups() {
  for (Group &group : groups) {
    llvm::sort(group.ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    llvm::SmallSetVector<StringRef, 4> parts;
    for (Operation *op : group.ops) {
      if (roleOf(op) != FusionRole::Contraction) {
        if (group.kind != Kind::Contraction && roleOf(op) != FusionRole::View)
          parts.insert(op->getName().stripDialect());
        continue;
      }
      for (Value operand : op->getOperands())
        if (auto weight = operand.getDefiningOp<WeightOp>()) {
          StringRef symbol = weight.getWeights();
          symbol.consume_front("blk.");
          parts.insert(symbol);
        }
    }
    group.name = llvm::join(parts, "+");
  }
}

SmallVector<FusionPlan::Unit> FusionPlan::order() const {
  // Units in order of their first op; a unit is ready when its operands' are done.
  SmallVector<Unit> units;
  llvm::DenseMap<Operation *, unsigned> unitOfOp;
  llvm::DenseMap<unsigned, unsigned> unitOfGroup;
  for (Operation &op : block.without_terminator()) {
    std::optional<unsigned> group = groupOf(&op);
    auto known = group ? unitOfGroup.find(*group) : unitOfGroup.end();
    if (known != unitOfGroup.end()) {
      unitOfOp[&op] = known->second;
      continue;
    }
    unitOfOp[&op] = units.size();
    if (group)
      unitOfGroup[*group] = units.size();
    units.push_back({group, group ? nullptr : &op});
  }
  SmallVector<llvm::SmallSetVector<unsigned, 4>> needs(units.size());
  for (auto [op, unit] : unitOfOp)
    op->walk([&, unit = unit](Operation *nested) {
      for (Value operand : nested->getOperands())
        if (Operation *def = operand.getDefiningOp();
            def && def->getBlock() == &block && unitOfOp[def] != unit)
          needs[unit].insert(unitOfOp[def]);
    });
  SmallVector<Unit> ordered;
  SmallVector<bool> done(units.size());
  while (ordered.size() < units.size()) {
    auto ready = [&](unsigned unit) {
      return !done[unit] && llvm::all_of(needs[unit], [&](unsigned need) { return done[need]; });
    };
    unsigned unit = 0;
    while (unit < units.size() && !ready(unit))
      ++unit;
    assert(unit < units.size() && "fusion groups depend on each other in a circle");
    done[unit] = true;
    ordered.push_back(units[unit]);
  }
  return ordered;
}
