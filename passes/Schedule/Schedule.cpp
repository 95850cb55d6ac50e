//===- Schedule.cpp - Fusion groups become phases --------------------------===//

#include "dialects/Step/StepOps.h"
#include "passes/Exits/Exits.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"
#include "passes/Schedule/Passes.h"
#include "passes/Upstream.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"

namespace lathe {
#define GEN_PASS_DEF_SCHEDULEPASS
#include "passes/Schedule/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;
using namespace lathe::step;

namespace {

FusionRole roleOf(Operation *op) {
  auto fusable = dyn_cast<FusionOpInterface>(op);
  return fusable ? fusable.getFusionRole() : FusionRole::None;
}

/// Builds one program of at most `maxRows` rows from `@forward` or `@main`.
class ProgramBuilder {
public:
  ProgramBuilder(func::FuncOp forward, int64_t maxRows, int64_t inlineRows, int64_t screenRows)
      : forward(forward), maxRows(maxRows), inlineRows(inlineRows), screenRows(screenRows),
        builder(forward.getContext()) {}

  LogicalResult build(StringRef name);

  unsigned numPhases = 0, numInPlace = 0;

private:
  LogicalResult checkModel();
  LogicalResult checkFunction();
  LogicalResult buildModel(StringRef name);
  LogicalResult buildFunction(StringRef name);
  void createProgram(StringRef name, ArrayRef<Type> types);
  BufferType bufferTypeOf(Type tensor);
  LogicalResult scheduleBlock(Block &block) {
    return scheduleOps(
        llvm::map_to_vector(block.without_terminator(), [](Operation &op) { return &op; }));
  }
  LogicalResult scheduleOps(ArrayRef<Operation *> ops);
  LogicalResult scheduleLayers(ir::LayersOp layers);
  bool isBehindSelection(GroupOp group);
  void scheduleGroup(GroupOp group);
  void bindCarried(ir::LayersOp layers);
  void bindYield(Block &body, unsigned index, Value buffer);
  LogicalResult scheduleBody(Block &body, ir::LayersOp layers);
  LogicalResult scheduleExit(Block &body, ir::LayersOp layers);
  LogicalResult scheduleRegion(Region &region, Block &body, Purpose purpose);
  void copyYielded(ValueRange values, ir::LayersOp layers);
  void copyPhase(Value from, Value to, Location loc);
  PhaseOp buildPhase(StringRef name, Axis axis, ArrayRef<Operation *> ops, Location loc);
  void cloneOp(Operation *op);
  void storeResults(PhaseOp phase, ArrayRef<std::pair<Value, Value>> stores);
  Value fetch(Value value, PhaseOp phase);
  Value allocate(Type tensor, Location loc);
  Value bufferFor(Value value);

  func::FuncOp forward;
  int64_t maxRows, inlineRows, screenRows;
  OpBuilder builder;
  ProgramOp program;
  Operation *allocEnd = nullptr;  ///< Allocations are put in front of this op.
  DenseMap<Value, Value> buffers; ///< A value of @forward, and where it lives.
  IRMapping handles;              ///< Rows, caches and layer numbers.
  IRMapping inPhase;              ///< Values inside the phase being built.
  DenseSet<Value> selected;       ///< Hold the rows that want logits, and no others.
  Purposes purposes;
};

} // namespace

//===----------------------------------------------------------------------===//
// Buffers
//===----------------------------------------------------------------------===//

BufferType ProgramBuilder::bufferTypeOf(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  SmallVector<int64_t> shape(type.getShape());
  bool whole = type.hasStaticShape();
  if (!whole)
    shape.front() = maxRows;
  return BufferType::get(builder.getContext(), shape, type.getElementType(), whole);
}

Value ProgramBuilder::allocate(Type tensor, Location loc) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&program.getBody().front());
  if (allocEnd)
    builder.setInsertionPointAfter(allocEnd);
  auto alloc = AllocOp::create(builder, loc, bufferTypeOf(tensor), IntegerAttr());
  allocEnd = alloc;
  return alloc;
}

/// The buffer of a value, made on first use.
Value ProgramBuilder::bufferFor(Value value) {
  Value &buffer = buffers[value];
  if (!buffer)
    buffer = allocate(value.getType(), value.getLoc());
  return buffer;
}

//===----------------------------------------------------------------------===//
// Phases
//===----------------------------------------------------------------------===//

/// A value from outside the phase: a handle, a weight, or the rows in a buffer.
Value ProgramBuilder::fetch(Value value, PhaseOp phase) {
  if (Value known = inPhase.lookupOrNull(value))
    return known;
  if (Value handle = handles.lookupOrNull(value))
    return handle;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&phase.getBody().front());
  Value result;
  if (auto weight = value.getDefiningOp<WeightOp>()) {
    IRMapping layer = handles; // Cloning maps the result too, which is only good in this phase.
    result = builder.clone(*weight, layer)->getResult(0);
  } else
    result = LoadOp::create(builder, value.getLoc(), value.getType(), buffers.lookup(value));
  inPhase.map(value, result);
  return result;
}

PhaseOp ProgramBuilder::buildPhase(StringRef name, Axis axis, ArrayRef<Operation *> ops,
                                   Location loc) {
  auto phase = PhaseOp::create(builder, loc, builder.getStringAttr(name),
                               AxisAttr::get(builder.getContext(), axis), UnitAttr());
  ++numPhases;
  inPhase.clear();
  OpBuilder::InsertionGuard guard(builder);
  builder.createBlock(&phase.getBody());
  for (Operation *op : ops) {
    llvm::SetVector<Value> used(op->operand_begin(), op->operand_end());
    getUsedValuesDefinedAbove(op->getRegions(), used);
    for (Value operand : used)
      inPhase.map(operand, fetch(operand, phase));
    builder.setInsertionPointToEnd(&phase.getBody().front());
    cloneOp(op);
  }
  return phase;
}

/// Many rows are a prompt's, of which one wants logits.
void ProgramBuilder::cloneOp(Operation *op) {
  auto head = dyn_cast<HeadTopkOp>(op);
  if (!head || maxRows <= screenRows) {
    builder.clone(*op, inPhase);
    return;
  }
  inPhase.map(head.getResult(),
              LinearOp::create(builder, head.getLoc(), head.getType(),
                               inPhase.lookup(head.getInput()), inPhase.lookup(head.getWeight()))
                  .getResult());
}

/// Stores values of the phase just built.
void ProgramBuilder::storeResults(PhaseOp phase, ArrayRef<std::pair<Value, Value>> stores) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&phase.getBody().front());
  for (auto [value, destination] : stores)
    StoreOp::create(builder, phase.getLoc(), inPhase.lookup(value), destination);
}

void ProgramBuilder::copyPhase(Value from, Value to, Location loc) {
  Axis axis = isTensorOfRows(from.getType()) ? Axis::Rows : Axis::Whole;
  PhaseOp phase = buildPhase("copy", axis, {}, loc);
  phase.setLogitsRows(selected.contains(from));
  Value value = fetch(from, phase);
  inPhase.map(from, value);
  storeResults(phase, {{from, to}});
}

/// Whether its rows are those that want logits.
bool ProgramBuilder::isBehindSelection(GroupOp group) {
  bool behind = false;
  group.walk([&](Operation *op) {
    auto fusable = dyn_cast<FusionOpInterface>(op);
    behind |= fusable && fusable.selectsRows();
    for (Value operand : op->getOperands())
      behind |= selected.contains(operand);
  });
  return behind;
}

/// What the tiles of a group of ops of other dialects divide.
static std::optional<Axis> findUpstreamAxis(GroupOp group) {
  Block &body = group.getBody().front();
  if (!holdsUpstream(body))
    return std::nullopt;
  bool byRows =
      llvm::all_of(group.getResultTypes(), isTensorOfRows) &&
      llvm::all_of(body.without_terminator(), [](Operation &op) { return worksRowByRow(&op); });
  return byRows ? Axis::Rows : Axis::Whole;
}

void ProgramBuilder::scheduleGroup(GroupOp group) {
  SmallVector<Operation *> prologue, rest;
  bool contraction = false, attention = false, selects = isBehindSelection(group);
  for (Operation &op : group.getBody().front().without_terminator()) {
    contraction |= roleOf(&op) == FusionRole::Contraction;
    attention |= roleOf(&op) == FusionRole::Attention;
  }
  for (Operation &op : group.getBody().front().without_terminator())
    (contraction && roleOf(&op) == FusionRole::RowWise ? prologue : rest).push_back(&op);

  if (contraction && maxRows > inlineRows && !prologue.empty()) {
    PhaseOp phase =
        buildPhase((group.getName() + ".in").str(), Axis::Rows, prologue, group.getLoc());
    SmallVector<std::pair<Value, Value>> stores;
    for (Operation *op : prologue)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(),
                         [&](Operation *user) { return llvm::is_contained(rest, user); }))
          stores.push_back({result, bufferFor(result)});
    storeResults(phase, stores);
    phase.setLogitsRows(selects);
  } else {
    rest.insert(rest.begin(), prologue.begin(), prologue.end());
  }

  Axis axis = contraction ? Axis::Columns : attention ? Axis::Heads : Axis::Rows;
  axis = findUpstreamAxis(group).value_or(axis);
  PhaseOp phase = buildPhase(group.getName(), axis, rest, group.getLoc());
  phase.setLogitsRows(selects);
  SmallVector<std::pair<Value, Value>> stores;
  auto yield = cast<YieldOp>(group.getBody().front().getTerminator());
  for (auto [inner, outer] : llvm::zip(yield.getOperands(), group.getResults())) {
    bool cache = isa<KVType>(outer.getType());
    if (cache)
      handles.map(outer, program.getCache());
    if (selects)
      selected.insert(outer);
    stores.push_back({inner, cache ? Value(program.getCache()) : bufferFor(outer)});
  }
  storeResults(phase, stores);
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

/// The yielded rows are written over the carried ones when nobody needs those
/// any more; otherwise they are copied at the end of the body.
void ProgramBuilder::bindYield(Block &body, unsigned index, Value buffer) {
  Value carried = body.getArgument(index + 1);
  Value yielded = body.getTerminator()->getOperand(index);
  buffers[carried] = buffer;
  auto producer = yielded.getDefiningOp<GroupOp>();
  if (!producer || buffers.contains(yielded))
    return;
  bool inPlace = llvm::all_of(carried.getUsers(), [&](Operation *user) {
    Operation *ancestor = body.findAncestorOpInBlock(*user);
    if (purposes.of(ancestor) != Purpose::Layer)
      return false; // That is done behind the layer.
    if (ancestor == producer)
      return roleOf(user) == FusionRole::Elementwise;
    return ancestor->isBeforeInBlock(producer);
  });
  if (!inPlace)
    return;
  buffers[yielded] = buffer;
  ++numInPlace;
}

void ProgramBuilder::bindCarried(ir::LayersOp layers) {
  for (auto [index, init] : llvm::enumerate(layers.getInits())) {
    Value result = layers.getResult(index);
    if (isa<KVType>(init.getType())) {
      for (Region &body : layers.getBodies())
        handles.map(body.getArgument(index + 1), program.getCache());
      handles.map(result, program.getCache());
      continue;
    }
    Value buffer = bufferFor(init);
    // Of a value that is carried twice one has it in its place.
    bool first = llvm::find(layers.getInits(), init) == layers.getInits().begin() + index;
    bool owned = first && buffer.getDefiningOp<AllocOp>() &&
                 llvm::all_of(init.getUsers(), [&](Operation *user) { return user == layers; });
    if (!owned) {
      Value copy = allocate(init.getType(), layers.getLoc());
      copyPhase(init, copy, layers.getLoc());
      buffer = copy;
    }
    buffers[result] = buffer;
    for (Region &body : layers.getBodies())
      bindYield(body.front(), index, buffer);
  }
}

LogicalResult ProgramBuilder::scheduleRegion(Region &region, Block &body, Purpose purpose) {
  builder.createBlock(&region);
  SmallVector<Operation *> ops;
  for (Operation &op : body.without_terminator())
    if (purposes.of(&op) == purpose)
      ops.push_back(&op);
  return scheduleOps(ops);
}

/// The exit reads the layer's own values, so it stands ahead of what copies others over them.
LogicalResult ProgramBuilder::scheduleExit(Block &body, ir::LayersOp layers) {
  auto yield = cast<YieldOp>(body.getTerminator());
  if (!yield.getUntil())
    return success();
  OpBuilder::InsertionGuard guard(builder);
  auto exit = ExitIfOp::create(builder, yield.getLoc(), bufferFor(yield.getUntil()),
                               handles.lookup(layers.getRows()));
  if (failed(scheduleRegion(exit.getPredicate(), body, Purpose::Confidence)) ||
      failed(scheduleRegion(exit.getLeaving(), body, Purpose::Leaving)))
    return failure();
  copyYielded(yield.getLeavingValues(), layers);
  return success();
}

LogicalResult ProgramBuilder::scheduleBody(Block &body, ir::LayersOp layers) {
  SmallVector<Operation *> ops;
  for (Operation &op : body.without_terminator())
    if (purposes.of(&op) == Purpose::Layer)
      ops.push_back(&op);
  if (failed(scheduleOps(ops)) || failed(scheduleExit(body, layers)))
    return failure();
  copyYielded(cast<YieldOp>(body.getTerminator()).getValues(), layers);
  return success();
}

LogicalResult ProgramBuilder::scheduleLayers(ir::LayersOp layers) {
  for (Region &body : layers.getBodies())
    purposes.add(body.front());
  bindCarried(layers);
  Value rows = layers.getRows() ? handles.lookup(layers.getRows()) : Value();
  auto loop = step::LayersOp::create(builder, layers.getLoc(), layers.getCount(), rows,
                                     LayerChoice(layers), layers.getBodies().size());
  OpBuilder::InsertionGuard guard(builder);
  for (auto [from, to] : llvm::zip(layers.getBodies(), loop.getBodies())) {
    handles.map(from.getArgument(0), to.getArgument(0));
    builder.setInsertionPointToEnd(&to.front());
    if (failed(scheduleBody(from.front(), layers)))
      return failure();
  }
  return success();
}

/// Copies what was not written in place.  All copies happen at once in the model, so what
/// another copy is about to overwrite goes first; what goes round in a circle, by way of a
/// buffer of its own.
void ProgramBuilder::copyYielded(ValueRange values, ir::LayersOp layers) {
  struct Copy {
    Value value, from, to;
  };
  SmallVector<Copy> open;
  for (auto [yielded, result] : llvm::zip(values, layers.getResults()))
    if (!isa<KVType>(yielded.getType()) && buffers.lookup(yielded) != buffers.lookup(result))
      open.push_back({yielded, buffers.lookup(yielded), buffers.lookup(result)});
  auto copy = [&](Value value, Value from, Value to) {
    Value before = std::exchange(buffers[value], from);
    copyPhase(value, to, layers.getLoc());
    buffers[value] = before;
  };
  while (!open.empty()) {
    auto next = llvm::find_if(open, [&](const Copy &each) {
      return llvm::none_of(open, [&](const Copy &other) { return other.from == each.to; });
    });
    if (next != open.end()) {
      copy(next->value, next->from, next->to);
      open.erase(next);
      continue;
    }
    Value away = allocate(open.front().value.getType(), layers.getLoc());
    copy(open.front().value, open.front().from, away);
    for (Value from = open.front().from; Copy &each : open)
      if (each.from == from)
        each.from = away;
  }
}

LogicalResult ProgramBuilder::scheduleOps(ArrayRef<Operation *> ops) {
  for (Operation *op : ops) {
    if (auto group = dyn_cast<GroupOp>(op))
      scheduleGroup(group);
    else if (auto layers = dyn_cast<ir::LayersOp>(op)) {
      if (failed(scheduleLayers(layers)))
        return failure();
    } else if (!isa<WeightOp>(op))
      return op->emitError() << "'" << op->getName()
                             << "' is in no fusion group; run lathe-fuse first";
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

static func::ReturnOp returnOf(func::FuncOp function) {
  return cast<func::ReturnOp>(function.getBody().front().getTerminator());
}

/// Of an encoder, which keeps nothing from step to step.
static bool isEncoder(func::FuncOp forward) { return forward.getNumArguments() == 1; }

LogicalResult ProgramBuilder::checkModel() {
  func::ReturnOp returned = returnOf(forward);
  ArrayRef<Type> types = forward.getArgumentTypes();
  bool decodes = types.size() == 2 && isa<KVType>(types[1]) && returned.getNumOperands() == 2;
  bool encodes = types.size() == 1 && returned.getNumOperands() == 1;
  if ((!decodes && !encodes) || !isa<RowsType>(types.front()))
    return forward.emitError()
           << "@forward must take rows and a KV cache and return logits and the "
              "cache; that of an encoder must take rows and return results";
  if (!returned.getOperand(0).getDefiningOp<GroupOp>())
    return forward.emitError() << "the logits must come from a fusion group; run lathe-fuse first";
  return success();
}

LogicalResult ProgramBuilder::checkFunction() {
  auto isBuffer = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.getElementType().isF32() || tensor.getRank() == 0)
      return false;
    return isBoundedShape(tensor.getShape().drop_front(isTensorOfRows(type)));
  };
  FunctionType type = forward.getFunctionType();
  if (type.getNumResults() == 0)
    return forward.emitError() << "@main must return something";
  for (Type each : llvm::concat<const Type>(type.getInputs(), type.getResults()))
    if (!isBuffer(each))
      return forward.emitError() << "@main must take and return tensors of f32 of known shape, but "
                                    "for the first dimension, got "
                                 << each;
  return success();
}

void ProgramBuilder::createProgram(StringRef name, ArrayRef<Type> types) {
  builder.setInsertionPoint(forward);
  Location loc = forward.getLoc();
  program = ProgramOp::create(builder, loc, builder.getStringAttr(name),
                              builder.getI64IntegerAttr(maxRows), IntegerAttr(), IntegerAttr(),
                              IntegerAttr(), ArrayAttr());
  builder.createBlock(&program.getBody(), {}, types, SmallVector<Location>(types.size(), loc));
}

LogicalResult ProgramBuilder::buildModel(StringRef name) {
  if (failed(checkModel()))
    return failure();
  Value logits = returnOf(forward).getOperand(0);
  SmallVector<Type> types(forward.getArgumentTypes());
  types.push_back(bufferTypeOf(logits.getType()));
  createProgram(name, types);
  handles.map(forward.getArgument(0), program.getRows());
  if (!isEncoder(forward))
    handles.map(forward.getArgument(1), program.getCache());
  buffers[logits] = program.getLogits();
  return scheduleBlock(forward.getBody().front());
}

/// Names that the program gives, `lathe.name`, else "arg0" and "result0".
static ArrayAttr namesOf(func::FuncOp function) {
  Builder builder(function.getContext());
  SmallVector<Attribute> names;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    auto given = function.getArgAttrOfType<StringAttr>(i, "lathe.name");
    names.push_back(given ? given : builder.getStringAttr("arg" + Twine(i)));
  }
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    auto given = function.getResultAttrOfType<StringAttr>(i, "lathe.name");
    names.push_back(given ? given : builder.getStringAttr("result" + Twine(i)));
  }
  return builder.getArrayAttr(names);
}

/// A result that a group makes is made in its place; others are copied there.
LogicalResult ProgramBuilder::buildFunction(StringRef name) {
  if (failed(checkFunction()))
    return failure();
  FunctionType type = forward.getFunctionType();
  SmallVector<Type> types;
  for (Type each : llvm::concat<const Type>(type.getInputs(), type.getResults()))
    types.push_back(bufferTypeOf(each));
  createProgram(name, types);
  program.setNumInputs(type.getNumInputs());
  program.setNamesAttr(namesOf(forward));
  for (auto [argument, buffer] :
       llvm::zip(forward.getArguments(), program.getBody().getArguments()))
    buffers[argument] = buffer;
  auto places = program.getBody().getArguments().drop_front(type.getNumInputs());
  SmallVector<std::pair<Value, Value>> copies;
  for (auto [value, place] : llvm::zip(returnOf(forward).getOperands(), places)) {
    if (value.getDefiningOp<GroupOp>() && !buffers.contains(value))
      buffers[value] = place;
    else
      copies.push_back({value, place});
  }
  if (failed(scheduleBlock(forward.getBody().front())))
    return failure();
  for (auto [value, place] : copies)
    copyPhase(value, place, forward.getLoc());
  return success();
}

LogicalResult ProgramBuilder::build(StringRef name) {
  return forward.getName() == "forward" ? buildModel(name) : buildFunction(name);
}

/// Positions that a model was trained for, or 0: as many rows are one text at most.
static int64_t findContext(ModuleOp module) {
  auto facts = module->getAttrOfType<DictionaryAttr>("lathe.model");
  auto context = facts ? facts.getAs<IntegerAttr>("context") : IntegerAttr();
  return context ? context.getInt() : 0;
}

namespace {

struct SchedulePass : lathe::impl::SchedulePassBase<SchedulePass> {
  using SchedulePassBase::SchedulePassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto forward = module.lookupSymbol<func::FuncOp>("forward");
    bool isFunction = !forward;
    if (isFunction)
      forward = module.lookupSymbol<func::FuncOp>("main");
    if (!forward) {
      module.emitError() << "there is no func.func @forward or @main to schedule";
      return signalPassFailure();
    }
    if (!llvm::hasSingleElement(forward.getBody())) {
      forward.emitError() << "a function of one block is expected";
      return signalPassFailure();
    }
    if (decodeRows < 1 || prefillRows < decodeRows) {
      module.emitError() << "decode-rows and prefill-rows must be positive and ascending, got "
                         << decodeRows.getValue() << " and " << prefillRows.getValue();
      return signalPassFailure();
    }
    SmallVector<std::pair<StringRef, int64_t>> entries{{"decode", decodeRows}};
    if (decodeRows < verifyRows && verifyRows < prefillRows)
      entries.emplace_back("verify", verifyRows);
    entries.emplace_back("prefill", prefillRows);
    if (isFunction)
      entries = {{"main", prefillRows}};
    else if (isEncoder(forward))
      entries = {{"forward", std::max<int64_t>(prefillRows, findContext(module))}};
    // The last entries are for several rows, which never leave a stack.
    for (auto [name, maxRows] : entries) {
      if (maxRows > 1)
        dropExits(forward);
      ProgramBuilder program(forward, maxRows, inlineRows, screenRows);
      if (failed(program.build(name)))
        return signalPassFailure();
      numPhases += program.numPhases;
      numInPlace += program.numInPlace;
    }
    forward.erase();
  }

  PassCounter numPhases{"phases", "phases made"};
  PassCounter numInPlace{"in-place", "carried values updated in place"};
};

} // namespace

static const lathe::PassCounters<SchedulePass> counters{&SchedulePass::numPhases,
                                                        &SchedulePass::numInPlace};
static const lathe::PassEffectRegistration effect("lathe-schedule", {lathe::NumericEffect::Exact});
