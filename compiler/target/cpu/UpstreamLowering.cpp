//===- UpstreamLowering.cpp - Ops of other dialects as loops ---------------===//

#include "compiler/target/cpu/UpstreamLowering.h"

#include "compiler/target/cpu/UpstreamOps.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// The function
//===----------------------------------------------------------------------===//

static Type memoryFor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor ? Type(MemRefType::get(tensor.getShape(), tensor.getElementType())) : type;
}

/// What the ops of a phase take from outside of them.
static SmallVector<Value> collectInputs(step::PhaseOp phase) {
  SmallVector<Value> inputs;
  llvm::SetVector<Value> outside;
  getUsedValuesDefinedAbove(phase.getBody(), outside);
  for (Value value : outside)
    if (value.getType().isIndex())
      inputs.push_back(value);
  for (Operation &op : phase.getBody().front())
    if (isa<step::LoadOp, ir::WeightOp>(op))
      inputs.push_back(op.getResult(0));
  return inputs;
}

/// Everything in the phase must become loops; the ops inside of others belong to those.
static LogicalResult checkOps(step::PhaseOp phase) {
  LogicalResult result = success();
  for (Operation &op : phase.getBody().front())
    if (!isa<step::LoadOp, step::StoreOp, ir::WeightOp>(op) && !hasLoops(&op))
      result = op.emitError() << "no code for '" << op.getName() << "' in a phase over "
                              << step::stringifyAxis(phase.getAxis());
  return result;
}

static UpstreamLoops buildFunction(step::PhaseOp phase) {
  Location loc = phase.getLoc();
  UpstreamLoops loops;
  loops.module = ModuleOp::create(loc);
  loops.inputs = collectInputs(phase);
  llvm::append_range(loops.stores, phase.getOps<step::StoreOp>());
  SmallVector<Type> types;
  for (Value input : loops.inputs)
    types.push_back(memoryFor(input.getType()));
  for (step::StoreOp store : loops.stores)
    types.push_back(memoryFor(store.getValue().getType()));
  OpBuilder b(loops.module->getBodyRegion());
  loops.function = func::FuncOp::create(b, loc, "phase", b.getFunctionType(types, {}));
  Block *entry = loops.function.addEntryBlock();
  b.setInsertionPointToEnd(entry);
  IRMapping values;
  for (auto [input, argument] : llvm::zip(loops.inputs, entry->getArguments())) {
    bool memory = isa<MemRefType>(argument.getType());
    values.map(input, memory ? bufferization::ToTensorOp::create(b, loc, input.getType(), argument,
                                                                 /*restrict=*/true)
                             : Value(argument));
  }
  for (Operation &op : phase.getBody().front())
    if (!isa<step::LoadOp, step::StoreOp, ir::WeightOp>(op))
      b.clone(op, values);
  for (auto [store, place] :
       llvm::zip(loops.stores, entry->getArguments().drop_front(loops.inputs.size())))
    bufferization::MaterializeInDestinationOp::create(
        b, loc, TypeRange(), values.lookup(step::StoreOp(store).getValue()), place,
        /*restrict=*/true, /*writable=*/true);
  func::ReturnOp::create(b, loc);
  return loops;
}

//===----------------------------------------------------------------------===//
// Loops that carry tensors
//===----------------------------------------------------------------------===//

/// The value whose memory `value` is written into, as far as one can see.
static Value findTied(Value value) {
  while (auto result = dyn_cast<OpResult>(value)) {
    Operation *op = result.getOwner();
    if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
      value = destination.getTiedOpOperand(result)->get();
    else if (auto loop = dyn_cast<scf::ForOp>(op))
      value = loop.getInitArgs()[result.getResultNumber()];
    else
      break;
  }
  return value;
}

/// The memory of a carried tensor is one for all rounds, so what a round yields is
/// copied there at its end, unless it was written there (`trustTies`).
static void copyCarried(scf::ForOp loop, bool trustTies) {
  Operation *yield = loop.getBody()->getTerminator();
  OpBuilder b(yield);
  SmallVector<std::pair<unsigned, Value>> copies;
  for (auto [index, value] : llvm::enumerate(yield->getOperands())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    Value carried = loop.getRegionIterArg(index), tied = findTied(value);
    if (!type || value == carried || (trustTies && tied == carried))
      continue;
    // Another carried tensor may be overwritten first.
    bool moves = llvm::is_contained(loop.getRegionIterArgs(), tied);
    if (moves || !trustTies)
      value = bufferization::AllocTensorOp::create(b, loop.getLoc(), type, ValueRange(), value);
    copies.push_back({index, value});
  }
  for (auto [index, value] : copies) {
    auto copy =
        linalg::CopyOp::create(b, loop.getLoc(), value, Value(loop.getRegionIterArg(index)));
    yield->setOperand(index, copy->getResult(0));
  }
}

/// Whether a loop hands memory from round to round, which would need more of it
/// with each.
static bool carriesMemory(ModuleOp module) {
  return module
      .walk([](scf::ForOp loop) {
        return llvm::any_of(loop.getResultTypes(), llvm::IsaPred<MemRefType>)
                   ? WalkResult::interrupt()
                   : WalkResult::advance();
      })
      .wasInterrupted();
}

//===----------------------------------------------------------------------===//
// Lowering
//===----------------------------------------------------------------------===//

static void addSimplification(OpPassManager &passes) {
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
}

/// From tensors to memory.
static LogicalResult bufferize(ModuleOp module, bool trustTies) {
  PassManager simplify(module.getContext());
  addSimplification(simplify);
  simplify.addPass(createConvertElementwiseToLinalgPass());
  simplify.addPass(createLinalgElementwiseOpFusionPass());
  addSimplification(simplify);
  if (failed(simplify.run(module)))
    return failure();
  module.walk([&](scf::ForOp loop) { copyCarried(loop, trustTies); });
  PassManager passes(module.getContext());
  passes.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions options;
  options.allowReturnAllocsFromLoops = true;
  passes.addPass(bufferization::createOneShotBufferizePass(options));
  addSimplification(passes);
  return passes.run(module);
}

/// Copies become loops: a call of memcpy would need a library, as would the general
/// copy of strided memory.
static void expandCopies(ModuleOp module) {
  SmallVector<memref::CopyOp> copies;
  module.walk([&](memref::CopyOp copy) { copies.push_back(copy); });
  for (memref::CopyOp copy : copies) {
    OpBuilder b(copy);
    linalg::CopyOp::create(b, copy.getLoc(), copy.getSource(), copy.getTarget());
    copy.erase();
  }
}

/// Functions of `math` become polynomials, the same on every machine.
static LogicalResult expandMath(ModuleOp module) {
  RewritePatternSet patterns(module.getContext());
  populateMathPolynomialApproximationPatterns(patterns, [](StringRef) { return true; });
  math::populateExpansionPatterns(patterns, {math::RsqrtOp::getOperationName()});
  return applyPatternsGreedily(module, std::move(patterns));
}

static LogicalResult lowerToLoops(ModuleOp module) {
  expandCopies(module);
  PassManager loops(module.getContext());
  loops.addPass(createConvertLinalgToLoopsPass());
  loops.addPass(math::createMathExtendToSupportedTypes());
  if (failed(loops.run(module)) || failed(expandMath(module)))
    return failure();
  PassManager rest(module.getContext());
  rest.addPass(memref::createFoldMemRefAliasOpsPass());
  rest.addPass(memref::createExpandStridedMetadataPass());
  rest.addPass(createLowerAffinePass());
  // A processor without instructions for bf16 would call a function to round.
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  rest.addPass(arith::createArithExpandOpsPass(expand));
  addSimplification(rest);
  return rest.run(module);
}

FailureOr<UpstreamLoops> lathe::compiler::lowerUpstreamPhase(step::PhaseOp phase) {
  if (failed(checkOps(phase)))
    return failure();
  for (bool trustTies : {true, false}) {
    UpstreamLoops loops = buildFunction(phase);
    if (failed(bufferize(*loops.module, trustTies)))
      return phase.emitError() << "the ops of the phase cannot be placed in memory";
    if (carriesMemory(*loops.module))
      continue;
    if (failed(lowerToLoops(*loops.module)))
      return phase.emitError() << "the ops of the phase cannot be lowered to loops";
    return loops;
  }
  return phase.emitError() << "a loop of the phase carries tensors that cannot share memory";
}
