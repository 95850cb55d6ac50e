//===- Segments.cpp - The independent parts of a column phase --------------===//

#include "compiler/target/cpu/Segments.h"
#include "compiler/target/cpu/KernelBuilder.h"

#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Ops connected through values that are computed in the phase.
llvm::EquivalenceClasses<Operation *> connect(step::PhaseOp phase) {
  llvm::EquivalenceClasses<Operation *> classes;
  SmallVector<Operation *> prologue = step::getPrologue(phase);
  for (Operation &op : phase.getBody().front()) {
    if (isa<step::LoadOp, ir::WeightOp, ir::WidthOp>(op) || llvm::is_contained(prologue, &op))
      continue;
    classes.insert(&op);
    if (isa<ir::LinearOp, ir::ExpertLinearOp>(op))
      continue; // Its input is shared by all; that does not connect them.
    for (Value operand : op.getOperands())
      if (Operation *def = operand.getDefiningOp(); def && classes.contains(def))
        classes.unionSets(&op, def);
  }
  return classes;
}

/// Columns after which rope does something else.
int64_t ropePeriod(ir::RopeOp rope) {
  int64_t pairs = cast<RankedTensorType>(rope.getTable().getType()).getDimSize(1);
  return rope.getLayout() == ir::RopeLayout::Half ? pairs : 2 * pairs;
}

/// The period of a head with these ropes; one chunk when they agree on no other.
int64_t choosePeriod(const Segment &segment, ArrayRef<int64_t> ropes) {
  int64_t columns = ropes.empty() ? segment.headColumns : ropes.front();
  bool shared = llvm::all_equal(ropes) && segment.headColumns % columns == 0;
  return shared ? columns / segment.lanes : 1;
}

/// Chooses vectors that hold whole parts of a head and whole pairs of rope;
/// gives the head dimension, or 0 where there are no heads.
int64_t chooseLanes(Segment &segment, ArrayRef<Operation *> ops) {
  SmallVector<int64_t> sizes{segment.outputs}, ropes;
  int64_t headDim = 0;
  for (Operation *op : ops) {
    for (Type type : op->getResultTypes())
      if (auto tensor = dyn_cast<RankedTensorType>(type); tensor && tensor.getRank() == 3)
        headDim = tensor.getDimSize(2);
    if (auto append = dyn_cast<ir::KVAppendOp>(op)) {
      headDim = append.getCache().getType().getHeadDim();
      segment.appends.push_back(append);
    }
    if (auto norm = dyn_cast<ir::RMSNormOp>(op))
      segment.headNorms.push_back(norm);
    if (auto rope = dyn_cast<ir::RopeOp>(op))
      ropes.push_back(ropePeriod(rope));
  }
  llvm::append_range(sizes, ropes);
  if (headDim)
    sizes.push_back(headDim);
  segment.lanes = commonLanes(sizes);
  segment.headColumns = headDim ? headDim : segment.lanes;
  segment.period = choosePeriod(segment, ropes);
  return headDim;
}

/// Tiles must hold whole heads.
void chooseSizes(Segment &segment, ArrayRef<Operation *> ops) {
  int64_t headDim = chooseLanes(segment, ops);
  segment.tileColumns = PanelRows;
  if (headDim)
    segment.tileColumns =
        headDim % PanelRows == 0 ? headDim : llvm::alignTo(segment.outputs, PanelRows);
}

} // namespace

/// Products of unsigned int8 rows take half the time of others that one phase may have beside them.
int64_t Segment::tileCost() const {
  int64_t halves = 2 * static_cast<int64_t>(experts.size());
  for (ir::LinearOp linear : linears) {
    auto rows = cast<RankedTensorType>(linear.getInput().getType());
    halves += isa<ir::ByteActivationType>(rows.getElementType()) ? 1 : 2;
  }
  return tileColumns * halves;
}

Segment lathe::compiler::makeElementwiseSegment(Operation *op) {
  // The keys of a cache write are as wide as its values.
  auto append = dyn_cast<ir::KVAppendOp>(op);
  Value shape = append ? Value(append.getKey()) : Value(op->getResult(0));
  Segment segment;
  segment.outputs = 1;
  for (int64_t size : cast<RankedTensorType>(shape.getType()).getShape().drop_front())
    segment.outputs *= size;
  chooseLanes(segment, op);
  segment.tileColumns = segment.headColumns;
  return segment;
}

FailureOr<SmallVector<Segment>> lathe::compiler::findSegments(step::PhaseOp phase) {
  llvm::EquivalenceClasses<Operation *> classes = connect(phase);
  llvm::MapVector<Operation *, SmallVector<Operation *>> members;
  for (Operation &op : phase.getBody().front())
    if (classes.contains(&op))
      members[classes.getLeaderValue(&op)].push_back(&op);
  SmallVector<Segment> segments;
  for (auto &[leader, ops] : members) {
    Segment segment;
    for (Operation *op : ops) {
      if (auto store = dyn_cast<step::StoreOp>(op))
        segment.stores.push_back(store);
      auto linear = dyn_cast<ir::LinearOp>(op);
      auto experts = dyn_cast<ir::ExpertLinearOp>(op);
      if (!linear && !experts)
        continue;
      int64_t outputs = linear ? linear.getType().getDimSize(1) : experts.getOutputs();
      if (segment.outputs != 0 && outputs != segment.outputs)
        return op->emitError()
               << "contractions that share an epilogue must have the same number of outputs, got "
               << segment.outputs << " and " << outputs;
      if (linear && !segment.linears.empty() && linear.getTo() != segment.width)
        return op->emitError()
               << "contractions that share an epilogue must be limited to the same width";
      segment.outputs = outputs;
      if (linear) {
        segment.linears.push_back(linear);
        segment.width = linear.getTo();
      }
      if (experts)
        segment.experts.push_back(experts);
    }
    if (segment.outputs == 0)
      return leader->emitError() << "a phase over columns computes this without a contraction";
    chooseSizes(segment, ops);
    segments.push_back(std::move(segment));
  }
  return segments;
}
