//===- EmitCpu.cpp - Turns step programs into kernels for a CPU ------------===//

#include "compiler/target/cpu/Manifest.h"
#include "compiler/target/cpu/Passes.h"
#include "compiler/target/cpu/PhaseEmitter.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

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
                 llvm::StringSet<> &names)
      : program(program), target(target), weights(weights), names(names), builder(program) {}

  LogicalResult emit();
  int64_t scratchBytes = 0;
  unsigned numKernels = 0;

private:
  LogicalResult emitBlock(Block &block, Value layer);
  LogicalResult emitLayers(step::LayersOp layers);
  Value emitBodyIndex(step::LayersOp layers, Value layer);
  FailureOr<func::FuncOp> emitKernel(step::PhaseOp phase);
  std::string uniqueName(StringRef phase);

  step::ProgramOp program;
  const CpuTarget &target;
  const WeightTable &weights;
  llvm::StringSet<> &names;
  OpBuilder builder;
  func::FuncOp entry;
};

} // namespace

std::string ProgramEmitter::uniqueName(StringRef phase) {
  std::string base = (program.getSymName() + "." + phase).str();
  for (char &letter : base)
    if (!llvm::isAlnum(letter) && letter != '.')
      letter = '_';
  std::string name = base;
  for (unsigned i = 1; !names.insert(name).second; ++i)
    name = base + "." + std::to_string(i);
  return name;
}

FailureOr<func::FuncOp> ProgramEmitter::emitKernel(step::PhaseOp phase) {
  const PhaseEmitter *emitter = findPhaseEmitter(phase);
  if (!emitter)
    return phase.emitError() << "no emitter of the CPU target matches this phase";
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(entry);
  Type i64 = builder.getI64Type(), ptr = LLVM::LLVMPointerType::get(builder.getContext());
  auto type = builder.getFunctionType({ptr, i64, i64, i64}, {});
  auto kernel =
      func::FuncOp::create(builder, phase.getLoc(), uniqueName(phase.getPhaseName()), type);
  kernel.setPrivate();
  builder.setInsertionPointToEnd(kernel.addEntryBlock());
  PhaseContext context(builder, phase, target, weights, kernel.getArguments());
  if (failed(emitter->emit(context)))
    return failure();
  builder.setInsertionPointToEnd(&kernel.getBody().front());
  func::ReturnOp::create(builder, phase.getLoc());
  scratchBytes = std::max(scratchBytes, context.scratchBytes());
  ++numKernels;
  return kernel;
}

Value ProgramEmitter::emitBodyIndex(step::LayersOp layers, Value layer) {
  KernelBuilder k(builder, layers.getLoc());
  ArrayRef<int64_t> select = *layers.getSelect();
  Value body = k.constant(select.front());
  for (size_t i = 1; i < select.size(); ++i)
    if (select[i] != select[i - 1])
      body = k.select(k.less(layer, k.constant(i)), body, k.constant(select[i]));
  return body;
}

LogicalResult ProgramEmitter::emitLayers(step::LayersOp layers) {
  KernelBuilder k(builder, layers.getLoc());
  LogicalResult result = success();
  k.forLoop(k.constant(0), k.constant(layers.getCount()), 1, [&](Value layer) {
    if (layers.getBodies().size() == 1) {
      result = emitBlock(layers.getBodies().front().front(), layer);
      return;
    }
    Value index = emitBodyIndex(layers, layer);
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
      FailureOr<func::FuncOp> kernel = emitKernel(phase);
      if (failed(kernel))
        return failure();
      ValueRange arguments = entry.getArguments();
      func::CallOp::create(builder, op.getLoc(), *kernel,
                           ValueRange{arguments[0], layer, arguments[1], arguments[2]});
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
    llvm::StringSet<> names;
    int64_t scratch = 0;
    auto programs = llvm::to_vector(module.getOps<step::ProgramOp>());
    for (step::ProgramOp program : programs) {
      ProgramEmitter emitter(program, *target, weights, names);
      if (failed(emitter.emit()))
        return signalPassFailure();
      scratch = std::max(scratch, emitter.scratchBytes);
      numKernels += emitter.numKernels;
    }
    emitManifest(writeManifest(module, *target, weights, scratch));
    module->setAttr("lathe.target", StringAttr::get(&getContext(), target->name));
    for (step::ProgramOp program : programs)
      program.erase();
    for (auto op : llvm::make_early_inc_range(module.getOps<ir::WeightsOp>()))
      op.erase();
  }

  void emitManifest(const std::string &text) {
    OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
    Location loc = getOperation().getLoc();
    auto bytes = LLVM::LLVMArrayType::get(builder.getI8Type(), text.size());
    LLVM::GlobalOp::create(builder, loc, bytes, /*isConstant=*/true, LLVM::Linkage::External,
                           "lathe_manifest", builder.getStringAttr(text));
    LLVM::GlobalOp::create(builder, loc, builder.getI64Type(), /*isConstant=*/true,
                           LLVM::Linkage::External, "lathe_manifest_size",
                           builder.getI64IntegerAttr(text.size()));
  }

  PassCounter numKernels{"kernels", "functions made for phases"};
};

} // namespace

static const lathe::PassCounters<EmitCpuPass> counters{&EmitCpuPass::numKernels};
static const lathe::PassEffectRegistration effect("lathe-emit-cpu",
                                                  {lathe::NumericEffect::Reassociates});
