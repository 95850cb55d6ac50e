//===- EmitCpu.cpp - Turns step programs into kernels for a CPU ------------===//

#include "compiler/target/cpu/KernelNames.h"
#include "compiler/target/cpu/KernelSharing.h"
#include "compiler/target/cpu/LayerPlaces.h"
#include "compiler/target/cpu/Manifest.h"
#include "compiler/target/cpu/Passes.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"

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
  LogicalResult emitBlock(Block &block, Value layer);
  LogicalResult emitLayers(step::LayersOp layers);
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

LogicalResult ProgramEmitter::emitLayers(step::LayersOp layers) {
  KernelBuilder k(builder, layers.getLoc());
  LogicalResult result = success();
  k.forLoop(k.constant(0), k.constant(layers.getCount()), 1, [&](Value layer) {
    if (layers.getBodies().size() == 1) {
      result = emitBlock(layers.getBodies().front().front(), layer);
      return;
    }
    Value index = emitBodyIndex(k, layers, layer);
    for (auto [number, body] : llvm::enumerate(layers.getBodies()))
      k.ifThen(k.equal(index, k.constant(number)), [&] {
        if (failed(emitBlock(body.front(), layer)))
          result = failure();
      });
  });
  return result;
}

LogicalResult ProgramEmitter::emitBlock(Block &block, Value layer) {
  for (Operation &op : block) {
    if (auto phase = dyn_cast<step::PhaseOp>(op)) {
      if (failed(emitPhase(phase, layer)))
        return failure();
    } else if (auto layers = dyn_cast<step::LayersOp>(op)) {
      if (failed(emitLayers(layers)))
        return failure();
    } else if (isa<step::BarrierOp>(op)) {
      KernelBuilder k(builder, op.getLoc());
      emitBarrierCall(k, entry.getArgument(0), entry.getArgument(1));
    }
  }
  return success();
}

LogicalResult ProgramEmitter::emit() {
  Type i64 = builder.getI64Type(), ptr = LLVM::LLVMPointerType::get(builder.getContext());
  auto type = builder.getFunctionType({ptr, i64, i64}, {builder.getI32Type()});
  entry = func::FuncOp::create(builder, program.getLoc(),
                               ("lathe_entry_" + program.getSymName()).str(), type);
  builder.setInsertionPointToEnd(entry.addEntryBlock());
  Value none = arith::ConstantIntOp::create(builder, program.getLoc(), 0, 64);
  if (failed(emitBlock(program.getBody().front(), none)))
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
    emitManifest(module, writeManifest(module, {target->name, target->features, scratch}, weights));
    module->setAttr("lathe.target", StringAttr::get(&getContext(), target->name));
    for (step::ProgramOp program : programs)
      program.erase();
    for (auto op : llvm::make_early_inc_range(module.getOps<ir::WeightsOp>()))
      op.erase();
  }

  PassCounter numKernels{"kernels", "functions made for phases"};
  PassCounter numShared{"phases-shared", "phases that call the function of another one"};
};

} // namespace

static const lathe::PassCounters<EmitCpuPass> counters{&EmitCpuPass::numKernels,
                                                       &EmitCpuPass::numShared};
static const lathe::PassEffectRegistration effect("lathe-emit-cpu",
                                                  {lathe::NumericEffect::Reassociates});
