//===- EmitCpu.cpp - Turns step programs into kernels for a CPU ------------===//

#include "compiler/target/cpu/KernelNames.h"
#include "compiler/target/cpu/KernelSharing.h"
#include "compiler/target/cpu/LayerPlaces.h"
#include "compiler/target/cpu/Manifest.h"
#include "compiler/target/cpu/Passes.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "passes/Memory/Accesses.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "lathe/abi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"

#include <cstddef>
#include <limits>

namespace lathe::compiler {
#define GEN_PASS_DEF_EMITCPUPASS
#include "compiler/target/cpu/Passes.h.inc"
} // namespace lathe::compiler

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Makes the entry of one program and the kernels of its phases.
class ProgramEmitter {
public:
  ProgramEmitter(step::ProgramOp program, const CpuTarget &target, const WeightTable &weights,
                 KernelNames &names, KernelSharing &sharing)
      : program(program), target(target), weights(weights), names(names), sharing(sharing),
        builder(program) {}

  LogicalResult emit();
  int64_t scratchBytes = 0;
  unsigned numKernels = 0, numShared = 0;

private:
  LogicalResult emitBody();
  LogicalResult emitOps(Block::iterator first, Block::iterator last, Value layer);
  LogicalResult emitBlock(Block &block, Value layer) {
    return emitOps(block.begin(), block.end(), layer);
  }
  Value stepField(KernelBuilder &k, int64_t offset);
  LogicalResult emitLayers(step::LayersOp layers);
  LogicalResult emitRound(step::LayersOp layers, Value layer, Value left);
  LogicalResult emitLayer(step::LayersOp layers, std::optional<ArrayRef<int64_t>> select,
                          Value layer);
  LogicalResult emitExit(step::ExitIfOp exit, Value layer);
  LogicalResult emitPhase(step::PhaseOp phase, Value layer);
  FailureOr<func::FuncOp> emitKernel(step::PhaseOp phase, StringRef name,
                                     SmallVector<KernelArgument> &extra);
  func::FuncOp createFunction(Location loc, StringRef name);

  step::ProgramOp program;
  const CpuTarget &target;
  const WeightTable &weights;
  KernelNames &names;
  KernelSharing &sharing;
  OpBuilder builder;
  func::FuncOp entry;
  Value left; ///< Of the stack around: where it is noted, i64, that it was left.
};

} // namespace

/// A function of the arguments, the layer, the worker and the number of workers,
/// ahead of the entry; the builder is left at its start.
func::FuncOp ProgramEmitter::createFunction(Location loc, StringRef name) {
  builder.setInsertionPoint(entry);
  Type i64 = builder.getI64Type(), ptr = LLVM::LLVMPointerType::get(builder.getContext());
  auto type = builder.getFunctionType({ptr, i64, i64, i64}, {});
  auto function = func::FuncOp::create(builder, loc, name, type);
  // Private to MLIR; the object has the symbol, by which a phase is timed and counted alone.
  function.setPrivate();
  builder.setInsertionPointToEnd(function.addEntryBlock());
  return function;
}

/// `extra` makes the kernel's arguments behind the first four.
FailureOr<func::FuncOp> ProgramEmitter::emitKernel(step::PhaseOp phase, StringRef name,
                                                   SmallVector<KernelArgument> &extra) {
  const PhaseEmitter *emitter = findPhaseEmitter(phase);
  if (!emitter)
    return phase.emitError() << "no emitter of the CPU target matches this phase";
  func::FuncOp kernel = createFunction(phase.getLoc(), name);
  PhaseContext context(builder, phase, target, weights, sharing, kernel);
  if (failed(emitter->emit(context)))
    return failure();
  scratchBytes = std::max(scratchBytes, context.scratchBytes());
  extra = llvm::to_vector(context.arguments());
  return context.finish();
}

/// A phase is a function that hands its own numbers to the kernel, and a call.
LogicalResult ProgramEmitter::emitPhase(step::PhaseOp phase, Value layer) {
  OpBuilder::InsertPoint call = builder.saveInsertionPoint();
  std::string name = names.next(program, phase);
  SmallVector<KernelArgument> extra;
  FailureOr<func::FuncOp> kernel = emitKernel(phase, name + ".code", extra);
  if (failed(kernel))
    return failure();
  ++(kernel->getName().drop_back(StringRef(".code").size()) == name ? numKernels : numShared);
  func::FuncOp function = createFunction(phase.getLoc(), name);
  KernelBuilder k(builder, phase.getLoc());
  SmallVector<Value> arguments(function.getArguments());
  for (const KernelArgument &make : extra)
    arguments.push_back(make(k, function.getArgument(1)));
  func::CallOp::create(builder, phase.getLoc(), *kernel, arguments);
  func::ReturnOp::create(builder, phase.getLoc());
  builder.restoreInsertionPoint(call);
  func::CallOp::create(
      builder, phase.getLoc(), function,
      ValueRange{entry.getArgument(0), layer, entry.getArgument(1), entry.getArgument(2)});
  return success();
}

/// A number of the step's arguments; every worker reads the same one.
Value ProgramEmitter::stepField(KernelBuilder &k, int64_t offset) {
  return k.load(k.i64(), k.at(entry.getArgument(0), offset));
}

/// The body that the layer selects.
LogicalResult ProgramEmitter::emitLayer(step::LayersOp layers,
                                        std::optional<ArrayRef<int64_t>> select, Value layer) {
  if (layers.getBodies().size() == 1)
    return emitBlock(layers.getBodies().front().front(), layer);
  KernelBuilder k(builder, layers.getLoc());
  LogicalResult result = success();
  Value index = emitBodyIndex(k, *select, layer);
  for (auto [number, body] : llvm::enumerate(layers.getBodies())) {
    if (!llvm::is_contained(*select, static_cast<int64_t>(number)))
      continue;
    k.ifThen(k.equal(index, k.constant(number)), [&] {
      if (failed(emitBlock(body.front(), layer)))
        result = failure();
    });
  }
  return result;
}

/// A layer, ahead of an exit or behind one.
LogicalResult ProgramEmitter::emitRound(step::LayersOp layers, Value layer, Value hasLeft) {
  if (!hasLeft)
    return emitLayer(layers, layers.getSelect(), layer);
  KernelBuilder k(builder, layers.getLoc());
  LogicalResult result = success();
  auto emit = [&](std::optional<ArrayRef<int64_t>> select) {
    if (failed(emitLayer(layers, select, layer)))
      result = failure();
  };
  Value stays = k.equal(hasLeft, k.constant(0));
  if (layers.getRest())
    k.ifThenElse(stays, [&] { emit(layers.getSelect()); }, [&] { emit(layers.getRest()); });
  else
    k.ifThen(stays, [&] { emit(layers.getSelect()); });
  return result;
}

/// Which layers run is the same for all workers, so that all meet at every barrier.
LogicalResult ProgramEmitter::emitLayers(step::LayersOp layers) {
  KernelBuilder k(builder, layers.getLoc());
  LogicalResult result = success();
  int64_t kept = cast<ir::LayerLoopOpInterface>(*layers).getKeptLayers().size();
  bool mayBeLeft =
      layers.walk([](step::ExitIfOp) { return WalkResult::interrupt(); }).wasInterrupted();
  if (mayBeLeft) {
    left = LLVM::AllocaOp::create(builder, layers.getLoc(), k.ptr(), k.i64(), k.constant(1));
    k.store(k.constant(0), left);
  }
  Value first = k.constant(0), end = k.constant(kept);
  if (layers == step::getResumedStack(program)) {
    first = stepField(k, offsetof(lathe_step_args, first_layer));
    end = k.sub(end, stepField(k, offsetof(lathe_step_args, layers_left)));
  }
  k.forLoop(first, end, 1, [&](Value layer) {
    if (layers.getSkip())
      for (ArrayRef<int64_t> skip = *layers.getSkip(); int64_t skipped : skip)
        layer = k.select(k.less(layer, k.constant(skipped)), layer, k.add(layer, 1));
    Value hasLeft = mayBeLeft ? k.load(k.i64(), left) : Value();
    if (!layers.getRows()) {
      result = emitRound(layers, layer, hasLeft);
      return;
    }
    Value runs = k.load(k.ptr(), k.at(entry.getArgument(0), offsetof(lathe_step_args, layer_runs)));
    Value flag = k.load(k.i32(), k.at(runs, k.mul(layer, sizeof(int32_t))));
    Value isSet =
        arith::CmpIOp::create(builder, layers.getLoc(), arith::CmpIPredicate::ne, flag,
                              arith::ConstantIntOp::create(builder, layers.getLoc(), 0, 32));
    k.ifThen(isSet, [&] { result = emitRound(layers, layer, hasLeft); });
  });
  return result;
}

/// All workers read the same numbers, and so take the same way.
LogicalResult ProgramEmitter::emitExit(step::ExitIfOp exit, Value layer) {
  KernelBuilder k(builder, exit.getLoc());
  constexpr float infinity = std::numeric_limits<float>::infinity();
  auto argument = [&](size_t offset) {
    return k.load(k.ptr(), k.at(entry.getArgument(0), offset));
  };
  LogicalResult result = success();
  auto emit = [&](Region &region) {
    for (Block &block : region)
      if (failed(emitBlock(block, layer)))
        result = failure();
  };
  Value wanted = k.load(
      k.f32(), k.at(argument(offsetof(lathe_step_args, exit_at)), k.mul(layer, sizeof(float))));
  Value asked = k.compare(arith::CmpFPredicate::OLT, wanted, k.floatConstant(infinity));
  k.ifThen(asked, [&] {
    emit(exit.getPredicate());
    auto alloc = exit.getConfidence().getDefiningOp<step::AllocOp>();
    Value found = k.load(k.f32(), k.at(argument(offsetof(lathe_step_args, arena)),
                                       static_cast<int64_t>(*alloc.getOffset())));
    Value reached = k.compare(arith::CmpFPredicate::OGE, found, wanted);
    Value forced = k.compare(arith::CmpFPredicate::OEQ, wanted, k.floatConstant(-infinity));
    Value leaves = arith::OrIOp::create(builder, exit.getLoc(), reached, forced);
    k.ifThen(leaves, [&] {
      emit(exit.getLeaving());
      k.store(k.constant(1), left);
      Value first = k.equal(entry.getArgument(1), k.constant(0));
      k.ifThen(first, [&] { k.store(layer, argument(offsetof(lathe_step_args, exit_layer))); });
    });
  });
  return result;
}

LogicalResult ProgramEmitter::emitOps(Block::iterator first, Block::iterator last, Value layer) {
  for (Operation &op : llvm::make_range(first, last)) {
    if (auto phase = dyn_cast<step::PhaseOp>(op)) {
      if (failed(emitPhase(phase, layer)))
        return failure();
    } else if (auto layers = dyn_cast<step::LayersOp>(op)) {
      if (failed(emitLayers(layers)))
        return failure();
    } else if (auto exit = dyn_cast<step::ExitIfOp>(op)) {
      if (failed(emitExit(exit, layer)))
        return failure();
    } else if (isa<step::BarrierOp>(op)) {
      KernelBuilder k(builder, op.getLoc());
      emitBarrierCall(k, entry.getArgument(0), entry.getArgument(1));
    }
  }
  return success();
}

/// A step that goes on leaves out what is ahead of the stack.
LogicalResult ProgramEmitter::emitBody() {
  Block &body = program.getBody().front();
  KernelBuilder k(builder, program.getLoc());
  Value none = k.constant(0);
  step::LayersOp stack = step::getResumedStack(program);
  if (!stack)
    return emitBlock(body, none);
  LogicalResult ahead = success();
  k.ifThen(k.equal(stepField(k, offsetof(lathe_step_args, resumes)), none),
           [&] { ahead = emitOps(body.begin(), stack->getIterator(), none); });
  return failed(ahead) ? ahead : emitOps(stack->getIterator(), body.end(), none);
}

LogicalResult ProgramEmitter::emit() {
  Type i64 = builder.getI64Type(), ptr = LLVM::LLVMPointerType::get(builder.getContext());
  auto type = builder.getFunctionType({ptr, i64, i64}, {builder.getI32Type()});
  entry = func::FuncOp::create(builder, program.getLoc(),
                               ("lathe_entry_" + program.getSymName()).str(), type);
  builder.setInsertionPointToEnd(entry.addEntryBlock());
  if (program.getMaxRows() > 1) {
    KernelBuilder k(builder, program.getLoc());
    emitClaimStart(k, entry.getArgument(0), entry.getArgument(1));
  }
  if (failed(emitBody()))
    return failure();
  Value status = arith::ConstantIntOp::create(builder, program.getLoc(), 0, 32);
  func::ReturnOp::create(builder, program.getLoc(), status);
  return success();
}

namespace {

struct EmitCpuPass : lathe::compiler::impl::EmitCpuPassBase<EmitCpuPass> {
  using EmitCpuPassBase::EmitCpuPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    const CpuTarget *target = findCpuTarget(targetName);
    if (!target) {
      module.emitError() << "unknown CPU target '" << targetName << "', expected host, "
                         << llvm::join(allCpuTargets(), ", ");
      return signalPassFailure();
    }
    if (failed(checkLayerChoice(module)))
      return signalPassFailure();
    WeightTable weights = assignWeights(module);
    KernelNames names;
    KernelSharing sharing;
    int64_t scratch = 0;
    auto programs = llvm::to_vector(module.getOps<step::ProgramOp>());
    for (step::ProgramOp program : programs) {
      ProgramEmitter emitter(program, *target, weights, names, sharing);
      if (failed(emitter.emit()))
        return signalPassFailure();
      scratch = std::max(scratch, emitter.scratchBytes);
      numKernels += emitter.numKernels;
      numShared += emitter.numShared;
    }
    replacePrograms(module, {target->name, target->features, scratch}, weights);
  }

  PassCounter numKernels{"kernels", "functions made for phases"};
  PassCounter numShared{"phases-shared", "phases that call the function of another one"};
};

} // namespace

static const lathe::PassCounters<EmitCpuPass> counters{&EmitCpuPass::numKernels,
                                                       &EmitCpuPass::numShared};
static const lathe::PassEffectRegistration effect("lathe-emit-cpu",
                                                  {lathe::NumericEffect::Reassociates});
