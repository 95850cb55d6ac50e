//===- StepToForward.cpp - A step program as values again ------------------===//

#include "compiler/reference/StepToForward.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::step;

//===----------------------------------------------------------------------===//
// What is needed from before
//===----------------------------------------------------------------------===//

namespace {
using Buffers = llvm::SetVector<Value>;

/// Finds the buffers whose value from before some code is loaded in it.
class NeedCollector {
public:
  explicit NeedCollector(Buffers &needed) : needed(needed) {}

  void visit(Operation &op) {
    if (auto phase = dyn_cast<PhaseOp>(op))
      visit(phase);
    else if (auto layers = dyn_cast<step::LayersOp>(op))
      visit(layers);
    else if (auto exit = dyn_cast<ExitIfOp>(op))
      visit(exit);
  }

  void need(Value buffer) {
    if (!stored.contains(buffer))
      needed.insert(buffer);
  }

  /// What a round of the stack needs: that of any of its bodies.
  static void collect(step::LayersOp layers, Buffers &needed) {
    for (Region &body : layers.getBodies()) {
      NeedCollector collector(needed);
      for (Operation &op : body.front())
        collector.visit(op);
    }
  }

private:
  void visit(PhaseOp phase) {
    for (Operation &op : phase.getBody().front()) {
      if (auto load = dyn_cast<LoadOp>(op))
        need(load.getBuffer());
      else if (auto store = dyn_cast<StoreOp>(op))
        stored.insert(store.getDestination());
    }
  }

  /// Its phases need not run, so nothing counts as stored by them.
  void visit(ExitIfOp exit) {
    DenseSet<Value> before = stored;
    for (Region *region : {&exit.getPredicate(), &exit.getLeaving()}) {
      for (PhaseOp phase : region->getOps<PhaseOp>())
        visit(phase);
      if (region == &exit.getPredicate())
        need(exit.getConfidence());
    }
    stored = before;
  }

  /// No body need run, so nothing counts as stored by the stack.
  void visit(step::LayersOp layers) {
    Buffers inside;
    collect(layers, inside);
    for (Value buffer : inside)
      need(buffer);
  }

  Buffers &needed;
  DenseSet<Value> stored;
};
} // namespace

//===----------------------------------------------------------------------===//
// Inlining
//===----------------------------------------------------------------------===//

namespace {
class ForwardBuilder {
public:
  ForwardBuilder(ProgramOp program, ModuleOp target)
      : program(program), builder(target.getBodyRegion()) {
    builder.setInsertionPointToEnd(target.getBody());
  }

  LogicalResult build();

private:
  LogicalResult buildBlock(Block &block);
  LogicalResult inlinePhase(PhaseOp phase);
  LogicalResult load(LoadOp op);
  void store(StoreOp op);
  LogicalResult buildLayers(step::LayersOp layers);
  LogicalResult buildBody(Block &from, Block &to, ArrayRef<Value> carried);
  LogicalResult buildExit(ExitIfOp exit, ArrayRef<Value> carried);
  Buffers collectCarried(step::LayersOp layers);
  FailureOr<SmallVector<Value>> valuesOf(ArrayRef<Value> buffers, Operation *user);
  Type valueType(Value buffer);
  /// The cache is what it holds now, where there is one.
  void mapCache() {
    if (Value cache = program.getCache())
      values.map(cache, held[cache]);
  }

  ProgramOp program;
  OpBuilder builder;
  /// Values of the program, and where they are in the function.
  IRMapping values;
  /// What buffers and the cache hold at this place.
  DenseMap<Value, Value> held;
  /// Of the body being built: its confidence, and what leaves the stack.
  Value until;
  SmallVector<Value> leaving;
};
} // namespace

static InFlightDiagnostic reportEmpty(Operation *user) {
  return user->emitError() << "nothing was stored in this buffer before, or another buffer was "
                              "stored over it";
}

Type ForwardBuilder::valueType(Value buffer) {
  auto type = dyn_cast<BufferType>(buffer.getType());
  return type ? Type(type.getTensorType()) : buffer.getType();
}

static bool overlap(AllocOp a, AllocOp b) {
  if (!a || !b || !a.getOffset() || !b.getOffset())
    return false;
  int64_t aBegin = *a.getOffset(), bBegin = *b.getOffset();
  return aBegin < bBegin + b.getType().getBytes() && bBegin < aBegin + a.getType().getBytes();
}

/// Whatever shares a byte with the destination is lost.
void ForwardBuilder::store(StoreOp op) {
  Value destination = op.getDestination();
  auto written = destination.getDefiningOp<AllocOp>();
  SmallVector<Value> lost;
  for (auto [buffer, value] : held)
    if (buffer != destination && overlap(buffer.getDefiningOp<AllocOp>(), written))
      lost.push_back(buffer);
  for (Value buffer : lost)
    held.erase(buffer);
  Value value = values.lookup(op.getValue());
  held[destination] = value;
  if (destination == program.getCache())
    values.map(destination, value);
}

LogicalResult ForwardBuilder::load(LoadOp op) {
  Value value = held.lookup(op.getBuffer());
  if (!value)
    return reportEmpty(op);
  values.map(op.getResult(), value);
  return success();
}

LogicalResult ForwardBuilder::inlinePhase(PhaseOp phase) {
  for (Operation &op : phase.getBody().front()) {
    if (auto loaded = dyn_cast<LoadOp>(op)) {
      if (failed(load(loaded)))
        return failure();
    } else if (auto stored = dyn_cast<StoreOp>(op)) {
      store(stored);
    } else {
      builder.clone(op, values);
    }
  }
  return success();
}

LogicalResult ForwardBuilder::buildBlock(Block &block) {
  for (Operation &op : block) {
    if (auto phase = dyn_cast<PhaseOp>(op)) {
      if (failed(inlinePhase(phase)))
        return failure();
    } else if (auto layers = dyn_cast<step::LayersOp>(op)) {
      if (failed(buildLayers(layers)))
        return failure();
    }
  }
  return success();
}

//===----------------------------------------------------------------------===//
// The layer stack
//===----------------------------------------------------------------------===//

Buffers ForwardBuilder::collectCarried(step::LayersOp layers) {
  Buffers carried;
  if (Value cache = program.getCache())
    carried.insert(cache);
  NeedCollector::collect(layers, carried);
  NeedCollector after(carried);
  for (Operation *op = layers->getNextNode(); op; op = op->getNextNode())
    after.visit(*op);
  // Logits that a layer stored leave the program as they are.
  bool storesLogits = false;
  layers.walk([&](StoreOp op) { storesLogits |= op.getDestination() == program.getLogits(); });
  if (storesLogits)
    carried.insert(program.getLogits());
  return carried;
}

FailureOr<SmallVector<Value>> ForwardBuilder::valuesOf(ArrayRef<Value> buffers, Operation *user) {
  SmallVector<Value> result;
  for (Value buffer : buffers) {
    Value value = held.lookup(buffer);
    if (value) {
      result.push_back(value);
      continue;
    }
    InFlightDiagnostic diag = user->emitError()
                              << "a buffer is loaded in a round of the stack or behind it, but "
                                 "at the start or the end of a round it holds nothing";
    diag.attachNote(buffer.getLoc()) << "the buffer";
    return diag;
  }
  return result;
}

LogicalResult ForwardBuilder::buildBody(Block &from, Block &to, ArrayRef<Value> carried) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&to);
  values.map(from.getArgument(0), to.getArgument(0));
  for (auto [buffer, argument] : llvm::zip(carried, to.getArguments().drop_front()))
    held[buffer] = argument;
  mapCache();
  until = Value();
  leaving.clear();
  for (Operation &op : from) {
    auto exit = dyn_cast<ExitIfOp>(op);
    auto phase = dyn_cast<PhaseOp>(op);
    if ((exit && failed(buildExit(exit, carried))) || (phase && failed(inlinePhase(phase))))
      return failure();
  }
  FailureOr<SmallVector<Value>> yielded = valuesOf(carried, from.getParentOp());
  if (failed(yielded))
    return failure();
  ir::YieldOp::create(builder, program.getLoc(), *yielded, until, leaving);
  return success();
}

/// What its phases stored counts for who leaves here alone.
LogicalResult ForwardBuilder::buildExit(ExitIfOp exit, ArrayRef<Value> carried) {
  DenseMap<Value, Value> staying = held;
  for (PhaseOp phase : exit.getPredicate().getOps<PhaseOp>())
    if (failed(inlinePhase(phase)))
      return failure();
  until = held.lookup(exit.getConfidence());
  if (!until)
    return reportEmpty(exit);
  for (PhaseOp phase : exit.getLeaving().getOps<PhaseOp>())
    if (failed(inlinePhase(phase)))
      return failure();
  FailureOr<SmallVector<Value>> values = valuesOf(carried, exit);
  if (failed(values))
    return failure();
  leaving = *values;
  held = staying;
  mapCache();
  return success();
}

LogicalResult ForwardBuilder::buildLayers(step::LayersOp layers) {
  Buffers carried = collectCarried(layers);
  FailureOr<SmallVector<Value>> inits = valuesOf(carried.getArrayRef(), layers);
  if (failed(inits))
    return failure();
  auto stack = ir::LayersOp::create(builder, layers.getLoc(), layers.getCount(), *inits,
                                    values.lookupOrNull(layers.getRows()), ir::LayerChoice(layers),
                                    unsigned(layers.getBodies().size()));
  for (auto [from, to] : llvm::zip(layers.getBodies(), stack.getBodies())) {
    // Nothing but what is carried leaves a round or enters it.
    held.clear();
    if (failed(buildBody(from.front(), to.front(), carried.getArrayRef())))
      return failure();
  }
  held.clear();
  for (auto [buffer, result] : llvm::zip(carried, stack.getResults()))
    held[buffer] = result;
  mapCache();
  return success();
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

LogicalResult ForwardBuilder::build() {
  SmallVector<Value> inputs{program.getRows()}, results{program.getLogits()};
  Value cache = program.getCache();
  if (cache) {
    inputs.push_back(cache);
    results.push_back(cache);
  }
  auto types = llvm::map_to_vector(results, [&](Value each) { return valueType(each); });
  auto type = builder.getFunctionType(TypeRange(ValueRange(inputs)), types);
  auto forward =
      func::FuncOp::create(builder, program.getLoc(), lathe::compiler::forwardName, type);
  Block *entry = forward.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  for (auto [input, argument] : llvm::zip(inputs, entry->getArguments()))
    values.map(input, argument);
  if (cache)
    held[cache] = values.lookup(cache);
  if (failed(buildBlock(program.getBody().front())))
    return failure();
  if (!held.lookup(program.getLogits()))
    return program.emitError() << "nothing stores the logits";
  for (Value &result : results)
    result = held.lookup(result);
  func::ReturnOp::create(builder, program.getLoc(), results);
  return success();
}

FailureOr<OwningOpRef<ModuleOp>> lathe::compiler::stepToForward(ProgramOp program) {
  OwningOpRef<ModuleOp> target(ModuleOp::create(program.getLoc()));
  OpBuilder builder(target->getBodyRegion());
  for (auto weights : program->getParentOfType<ModuleOp>().getOps<ir::WeightsOp>())
    builder.clone(*weights);
  if (failed(ForwardBuilder(program, *target).build()))
    return failure();
  return target;
}
