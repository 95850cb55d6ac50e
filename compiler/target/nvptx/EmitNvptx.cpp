//===- EmitNvptx.cpp - Turns step programs into kernels for GPUs -----------===//

#include "compiler/target/cpu/KernelNames.h"
#include "compiler/target/cpu/KernelSharing.h"
#include "compiler/target/cpu/LayerPlaces.h"
#include "compiler/target/cpu/Manifest.h"
#include "compiler/target/nvptx/GpuAsync.h"
#include "compiler/target/nvptx/GpuGreatest.h"
#include "compiler/target/nvptx/GpuPhase.h"
#include "compiler/target/nvptx/GpuWork.h"
#include "compiler/target/nvptx/NvptxTarget.h"
#include "compiler/target/nvptx/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "lathe/abi.h"
#include "lathe/device_abi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"

#include <cstddef>
#include <limits>

namespace lathe::compiler {
#define GEN_PASS_DEF_EMITNVPTXPASS
#include "compiler/target/nvptx/Passes.h.inc"
} // namespace lathe::compiler

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Makes the kernel of one program and the functions of its phases.
class ProgramEmitter {
public:
  ProgramEmitter(step::ProgramOp program, const NvptxTarget &target, const WeightTable &weights,
                 KernelNames &names, KernelSharing &sharing)
      : program(program), target(target), weights(weights), names(names), sharing(sharing),
        builder(program) {}

  LogicalResult emit();
  int64_t sharedBytes = 0, scratchBytes = LATHE_DEVICE_ZERO_BYTES;
  unsigned numKernels = 0, numShared = 0;

private:
  LogicalResult emitBlock(Block &block, Value layer);
  LogicalResult emitLayers(step::LayersOp layers);
  LogicalResult emitRound(step::LayersOp layers, Value layer, bool mayBeLeft);
  LogicalResult emitLayer(step::LayersOp layers, std::optional<ArrayRef<int64_t>> select,
                          Value layer);
  LogicalResult emitExit(step::ExitIfOp exit, Value layer);
  /// A pointer among the step's arguments.
  Value argument(GpuBuilder &k, int64_t offset) {
    return k.loadPointer(k.at(k.fromGlobal(args), offset));
  }
  LogicalResult emitPhase(step::PhaseOp phase, Value layer);
  void emitGreatest();
  func::FuncOp beginFunction(std::string name, Location loc, ArrayRef<Type> arguments);
  void emitBarrier(Location loc);

  step::ProgramOp program;
  const NvptxTarget &target;
  const WeightTable &weights;
  KernelNames &names;
  KernelSharing &sharing;
  OpBuilder builder;
  func::FuncOp entry;
  Value args, block, blocks, thread, counter;
  Value left; ///< Of a thread, i64: whether it has left the stack, as all have.
};

} // namespace

/// A private function ahead of the entry, whose body is empty; PTX has no dots in names.
func::FuncOp ProgramEmitter::beginFunction(std::string name, Location loc,
                                           ArrayRef<Type> arguments) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(entry);
  llvm::replace(name, '.', '$');
  auto function = func::FuncOp::create(builder, loc, name, builder.getFunctionType(arguments, {}));
  function.setPrivate();
  function.addEntryBlock();
  return function;
}

LogicalResult ProgramEmitter::emitPhase(step::PhaseOp phase, Value layer) {
  const GpuPhaseEmitter *emitter = findGpuPhaseEmitter(phase);
  if (!emitter)
    return phase.emitError() << "no emitter of the GPU target matches this phase";
  OpBuilder::InsertPoint call = builder.saveInsertionPoint();
  Type i64 = builder.getI64Type();
  func::FuncOp function =
      beginFunction(names.next(program, phase), phase.getLoc(), {args.getType(), i64, i64, i64});
  std::string name = function.getName().str();
  builder.setInsertionPointToEnd(&function.getBody().front());
  GpuContext context(builder, target, phase, weights, sharing, function);
  if (failed(emitter->emit(context)))
    return failure();
  sharedBytes = std::max(sharedBytes, context.sharedBytes());
  scratchBytes = std::max(scratchBytes, LATHE_DEVICE_ZERO_BYTES + context.scratchBytes());
  func::FuncOp shared = context.finish();
  ++(shared.getName() == name ? numKernels : numShared);
  builder.restoreInsertionPoint(call);
  GpuBuilder k(builder, phase.getLoc());
  SmallVector<Value> arguments{args, layer, block, blocks};
  for (const KernelArgument &make : context.arguments())
    arguments.push_back(make(k, layer));
  func::CallOp::create(builder, phase.getLoc(), shared, arguments);
  return success();
}

/// The body that the layer selects.
LogicalResult ProgramEmitter::emitLayer(step::LayersOp layers,
                                        std::optional<ArrayRef<int64_t>> select, Value layer) {
  if (layers.getBodies().size() == 1)
    return emitBlock(layers.getBodies().front().front(), layer);
  GpuBuilder k(builder, layers.getLoc());
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
LogicalResult ProgramEmitter::emitRound(step::LayersOp layers, Value layer, bool mayBeLeft) {
  if (!mayBeLeft)
    return emitLayer(layers, layers.getSelect(), layer);
  GpuBuilder k(builder, layers.getLoc());
  LogicalResult result = success();
  auto emit = [&](std::optional<ArrayRef<int64_t>> select) {
    if (failed(emitLayer(layers, select, layer)))
      result = failure();
  };
  Value stays = k.equal(k.loadWide(k.i64(), left, sizeof(int64_t)), k.constant(0));
  if (layers.getRest())
    k.ifThenElse(stays, [&] { emit(layers.getSelect()); }, [&] { emit(layers.getRest()); });
  else
    k.ifThen(stays, [&] { emit(layers.getSelect()); });
  return result;
}

/// Which layers run is the same for all blocks, so that all meet at every barrier.
LogicalResult ProgramEmitter::emitLayers(step::LayersOp layers) {
  GpuBuilder k(builder, layers.getLoc());
  LogicalResult result = success();
  int64_t kept = cast<ir::LayerLoopOpInterface>(*layers).getKeptLayers().size();
  bool mayBeLeft =
      layers.walk([](step::ExitIfOp) { return WalkResult::interrupt(); }).wasInterrupted();
  if (mayBeLeft)
    k.storeWide(k.constant(0), left, sizeof(int64_t));
  k.forLoop(k.constant(0), k.constant(kept), 1, [&](Value layer) {
    if (layers.getSkip())
      for (ArrayRef<int64_t> skip = *layers.getSkip(); int64_t skipped : skip)
        layer = k.select(k.less(layer, k.constant(skipped)), layer, k.add(layer, 1));
    if (!layers.getRows()) {
      result = emitRound(layers, layer, mayBeLeft);
      return;
    }
    Value runs = argument(k, offsetof(lathe_step_args, layer_runs));
    Value flag = k.loadWide(k.i32(), k.at(runs, k.mul(layer, sizeof(int32_t))), sizeof(int32_t));
    Value isSet = arith::CmpIOp::create(builder, layers.getLoc(), arith::CmpIPredicate::ne, flag,
                                        k.integer(0));
    k.ifThen(isSet, [&] { result = emitRound(layers, layer, mayBeLeft); });
  });
  return result;
}

/// All threads read the same numbers, and so take the same way.  The confidence stays as it is
/// until all blocks have met once more: a block that is ahead cannot write the next one.
LogicalResult ProgramEmitter::emitExit(step::ExitIfOp exit, Value layer) {
  GpuBuilder k(builder, exit.getLoc());
  constexpr float infinity = std::numeric_limits<float>::infinity();
  LogicalResult result = success();
  auto emit = [&](Region &region) {
    for (Block &body : region)
      if (failed(emitBlock(body, layer)))
        result = failure();
  };
  Value wanted = k.at(argument(k, offsetof(lathe_step_args, exit_at)), k.mul(layer, sizeof(float)));
  wanted = k.loadWide(k.f32(), wanted, sizeof(float));
  Value asked = k.compare(arith::CmpFPredicate::OLT, wanted, k.floatConstant(infinity));
  k.ifThen(asked, [&] {
    emit(exit.getPredicate());
    auto alloc = exit.getConfidence().getDefiningOp<step::AllocOp>();
    Value place = k.at(argument(k, offsetof(lathe_step_args, arena)),
                       static_cast<int64_t>(*alloc.getOffset()));
    Value found = k.loadWide(k.f32(), place, sizeof(float));
    Value reached = k.compare(arith::CmpFPredicate::OGE, found, wanted);
    Value forced = k.compare(arith::CmpFPredicate::OEQ, wanted, k.floatConstant(-infinity));
    k.ifThen(arith::OrIOp::create(builder, exit.getLoc(), reached, forced), [&] {
      emit(exit.getLeaving());
      k.storeWide(k.constant(1), left, sizeof(int64_t));
      Value first = k.both(k.equal(block, k.constant(0)), k.equal(thread, k.constant(0)));
      k.ifThen(first, [&] {
        k.storeWide(layer, argument(k, offsetof(lathe_step_args, exit_layer)), sizeof(int64_t));
      });
    });
  });
  return result;
}

void ProgramEmitter::emitBarrier(Location loc) {
  GpuBuilder k(builder, loc);
  // What threads wrote is copied in bulk behind the barrier.
  if (target.hasWarpgroups())
    emitProxyFence(k);
  k.gridBarrier(counter, thread, blocks);
}

LogicalResult ProgramEmitter::emitBlock(Block &body, Value layer) {
  for (Operation &op : body) {
    if (auto phase = dyn_cast<step::PhaseOp>(op)) {
      if (failed(emitPhase(phase, layer)))
        return failure();
    } else if (auto layers = dyn_cast<step::LayersOp>(op)) {
      if (failed(emitLayers(layers)))
        return failure();
    } else if (isa<step::BarrierOp>(op)) {
      emitBarrier(op.getLoc());
    } else if (auto exit = dyn_cast<step::ExitIfOp>(op)) {
      if (failed(emitExit(exit, layer)))
        return failure();
    }
  }
  return success();
}

/// Behind the head, where the step asks for it: all blocks take the same way.
void ProgramEmitter::emitGreatest() {
  GpuGreatest greatest(program);
  if (greatest.most() == 0)
    return;
  Location loc = program.getLoc();
  GpuBuilder k(builder, loc);
  sharedBytes = std::max(sharedBytes, greatest.sharedBytes());
  scratchBytes = std::max(scratchBytes, LATHE_DEVICE_ZERO_BYTES + greatest.scratchBytes());
  Type i64 = builder.getI64Type();
  auto emitCall = [&](StringRef name, void (GpuGreatest::*emit)(func::FuncOp) const) {
    func::FuncOp function =
        beginFunction((program.getSymName() + "." + name).str(), loc, {args.getType(), i64, i64});
    (greatest.*emit)(function);
    func::FuncOp shared = sharing.unify(function);
    emitBarrier(loc);
    func::CallOp::create(builder, loc, shared, ValueRange{args, block, blocks});
  };
  auto number = [&](int64_t offset) {
    return k.loadWide(i64, k.at(k.fromGlobal(args), offset), sizeof(int64_t));
  };
  Value wanted = number(offsetof(lathe_step_args, wanted_logits));
  Value some = k.less(k.constant(0), number(offsetof(lathe_step_args, logits_rows)));
  Value few =
      k.both(k.less(k.constant(0), wanted), k.less(wanted, k.constant(greatest.most() + 1)));
  k.ifThen(k.both(some, few), [&] {
    emitCall("greatest_of_parts", &GpuGreatest::emitParts);
    emitCall("greatest", &GpuGreatest::emitWhole);
  });
}

LogicalResult ProgramEmitter::emit() {
  Type ptr = LLVM::LLVMPointerType::get(builder.getContext());
  entry =
      func::FuncOp::create(builder, program.getLoc(), ("lathe_entry_" + program.getSymName()).str(),
                           builder.getFunctionType({ptr}, {}));
  builder.setInsertionPointToEnd(entry.addEntryBlock());
  GpuBuilder k(builder, program.getLoc());
  block = k.specialRegister("ctaid.x");
  blocks = k.specialRegister("nctaid.x");
  thread = k.specialRegister("tid.x");
  left = LLVM::AllocaOp::create(builder, program.getLoc(), k.ptr(), k.i64(), k.constant(1));
  args = k.toGlobal(entry.getArgument(0));
  counter = k.loadPointer(k.at(k.fromGlobal(args), offsetof(lathe_step_args, scratch)));
  if (failed(emitBlock(program.getBody().front(), k.constant(0))))
    return failure();
  emitGreatest();
  func::ReturnOp::create(builder, program.getLoc());
  return success();
}

namespace {

struct EmitNvptxPass : lathe::compiler::impl::EmitNvptxPassBase<EmitNvptxPass> {
  using EmitNvptxPassBase::EmitNvptxPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    const NvptxTarget *target = findNvptxTarget(targetName);
    if (!target) {
      module.emitError() << "unknown GPU target '" << targetName << "', expected one of "
                         << llvm::join(allDeviceTargets(), ", ");
      return signalPassFailure();
    }
    // Passes may have written what was not there when the graph was checked.
    WalkResult narrow = module.walk([](ir::WidthOp op) {
      op.emitError() << "there are no kernels for a part of the neurons";
      return WalkResult::interrupt();
    });
    if (narrow.wasInterrupted() || failed(checkLayerChoice(module)))
      return signalPassFailure();
    noteWork(module);
    WeightTable weights = assignWeights(module);
    KernelNames names;
    KernelSharing sharing;
    ManifestTarget facts{target->name, {}, LATHE_DEVICE_ZERO_BYTES, BlockThreads, 0};
    auto programs = llvm::to_vector(module.getOps<step::ProgramOp>());
    for (step::ProgramOp program : programs) {
      ProgramEmitter emitter(program, *target, weights, names, sharing);
      if (failed(emitter.emit()))
        return signalPassFailure();
      facts.sharedBytes = std::max(facts.sharedBytes, emitter.sharedBytes);
      facts.scratchBytes = std::max(facts.scratchBytes, emitter.scratchBytes);
      facts.greatestLogits[program.getSymName()] = GpuGreatest(program).most();
      numKernels += emitter.numKernels;
      numShared += emitter.numShared;
    }
    replacePrograms(module, facts, weights);
  }

  PassCounter numKernels{"kernels", "functions made for phases"};
  PassCounter numShared{"phases-shared", "phases that call the function of another one"};
};

} // namespace

static const lathe::PassCounters<EmitNvptxPass> counters{&EmitNvptxPass::numKernels,
                                                         &EmitNvptxPass::numShared};
static const lathe::PassEffectRegistration effect("lathe-emit-nvptx",
                                                  {lathe::NumericEffect::Reassociates});
