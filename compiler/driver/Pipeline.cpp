//===- Pipeline.cpp - The named stages of the compiler ---------------------===//

#include "compiler/driver/Pipeline.h"

#include "compiler/driver/TestFault.h"
#include "compiler/reference/Passes.h"
#include "compiler/target/DeviceTarget.h"
#include "compiler/target/cpu/CpuTarget.h"
#include "compiler/target/cpu/Passes.h"
#include "compiler/target/nvptx/Passes.h"
#include "dialects/Lathe/LatheOps.h"
#include "dialects/Step/StepOps.h"
#include "passes/Exits/Passes.h"
#include "passes/Fusion/Passes.h"
#include "passes/Memory/Passes.h"
#include "passes/PassEffect.h"
#include "passes/Precision/Passes.h"
#include "passes/Schedule/Passes.h"
#include "passes/Width/Passes.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Fusion comes first, while every op is still in plain sight.
void addFused(OpPassManager &passes, const PipelineOptions &options) {
  if (!options.skippedLayers.empty()) {
    SkipLayersPassOptions skip;
    skip.layers.assign(options.skippedLayers.begin(), options.skippedLayers.end());
    passes.addPass(createSkipLayersPass(skip));
  }
  passes.addPass(createPropagateKVPass());
  passes.addPass(createCanonicalizerPass());
  passes.addPass(createCSEPass());
  passes.addPass(createGroupUpstreamPass());
  passes.addPass(createFusePass());
}

/// Precision works inside groups, so that a quantisation lands in the prologue
/// of the contraction that wanted it.
void addPrecision(OpPassManager &passes, const PipelineOptions &options) {
  LowerPrecisionPassOptions precision;
  precision.policy = options.precision;
  precision.kv = options.kvType;
  const CpuTarget *target = findCpuTarget(options.target);
  precision.storedBF16 = target && !target->bf16Dot ? "f32" : "bf16";
  precision.encoders = target && target->byteDot ? "mixed" : "auto";
  precision.bf16Products = target && target->bf16Dot;
  precision.autoKV = precision.bf16Products ? "bf16" : "f16";
  passes.addPass(createLowerPrecisionPass(precision));
  // Screening saves a CPU's memory traffic.
  if (!findDeviceTarget(options.target))
    passes.addPass(createScreenHeadPass());
}

void addScheduled(OpPassManager &passes, const PipelineOptions &options) {
  SchedulePassOptions schedule;
  schedule.prefillRows = options.prefillRows;
  passes.addPass(createSchedulePass(schedule));
  // Blocks of a GPU compute tiles of rows that lie in registers of several threads.
  if (!findDeviceTarget(options.target))
    passes.addNestedPass<step::ProgramOp>(createSinkQuantizePass());
}

/// Barriers come after memory planning, because the arena reuses memory.
void addPlanned(OpPassManager &passes, const PipelineOptions &) {
  auto &programs = passes.nest<step::ProgramOp>();
  programs.addPass(createPlanMemoryPass());
  programs.addPass(createPlaceBarriersPass());
}

/// A plan is checked here, so that one that was read from a file is checked too.
void addKernels(OpPassManager &passes, const PipelineOptions &options) {
  auto &programs = passes.nest<step::ProgramOp>();
  programs.addPass(createCheckMemoryPlanPass());
  programs.addPass(createCheckBarriersPass());
  if (const DeviceTarget *device = findDeviceTarget(options.target)) {
    device->addKernels(passes);
  } else {
    EmitCpuPassOptions emit;
    emit.targetName = options.target;
    passes.addPass(createEmitCpuPass(emit));
  }
  passes.addPass(createCSEPass());
}

struct Stage {
  StringLiteral name;
  StringLiteral description;
  void (*add)(OpPassManager &, const PipelineOptions &);
};

constexpr Stage stages[] = {
    {"import", "the graph as the model file describes it", nullptr},
    {"fused", "decide which ops are computed together", addFused},
    {"precision", "choose the arithmetic of every contraction", addPrecision},
    {"scheduled", "turn groups into phases of step programs", addScheduled},
    {"planned", "place buffers in the arena, and barriers", addPlanned},
    {"kernels", "emit code for the target", addKernels},
};

/// Says which stage a module has reached.
struct MarkStagePass : PassWrapper<MarkStagePass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(MarkStagePass)

  MarkStagePass() = default;
  MarkStagePass(StringRef name, const PipelineOptions &options) {
    stage = name.str();
    policy = options.precision;
    kv = options.kvType;
  }
  MarkStagePass(const MarkStagePass &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "lathe-mark-stage"; }
  StringRef getDescription() const override { return "says which stage a module has reached"; }

  void runOnOperation() override {
    Builder builder(&getContext());
    getOperation()->setAttr("lathe.stage", builder.getStringAttr(stage));
    if (stage != "precision")
      return;
    getOperation()->setAttr("lathe.precision", builder.getStringAttr(policy));
    getOperation()->setAttr("lathe.kv_type", builder.getStringAttr(kv));
  }

  Option<std::string> stage{*this, "stage", llvm::cl::desc("name of the stage")};
  Option<std::string> policy{*this, "policy", llvm::cl::desc("precision policy that was used"),
                             llvm::cl::init("auto")};
  Option<std::string> kv{*this, "kv", llvm::cl::desc("type of the KV cache that was asked for"),
                         llvm::cl::init("auto")};
};

const PassEffectRegistration markEffect("lathe-mark-stage", {NumericEffect::Exact});

struct StageOptions : PassPipelineOptions<StageOptions> {
  Option<std::string> target{*this, "target", llvm::cl::desc("target"), llvm::cl::init("host")};
  Option<std::string> precision{*this, "precision", llvm::cl::desc("precision policy"),
                                llvm::cl::init("auto")};
  Option<std::string> kvType{*this, "kv-type", llvm::cl::desc("elements of the KV cache"),
                             llvm::cl::init("auto")};
  Option<int64_t> prefillRows{*this, "prefill-rows", llvm::cl::desc("rows of the prefill entry"),
                              llvm::cl::init(512)};
  ListOption<int64_t> skip{*this, "skip", llvm::cl::desc("layers to leave out")};
};

} // namespace

ArrayRef<StringLiteral> lathe::compiler::allStages() {
  static const SmallVector<StringLiteral> names = [] {
    SmallVector<StringLiteral> result;
    for (const Stage &stage : stages)
      result.push_back(stage.name);
    return result;
  }();
  return names;
}

int lathe::compiler::findStage(StringRef name) {
  for (auto [index, stage] : llvm::enumerate(stages))
    if (stage.name == name)
      return index;
  return -1;
}

int lathe::compiler::getStage(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>("lathe.stage");
  return name ? findStage(name.getValue()) : 0;
}

void lathe::compiler::addStage(OpPassManager &passes, int stage, const PipelineOptions &options) {
  assert(stage > 0 && stage < static_cast<int>(std::size(stages)) && "no such stage");
  stages[stage].add(passes, options);
  passes.addPass(std::make_unique<MarkStagePass>(stages[stage].name, options));
}

void lathe::compiler::registerStagePipelines() {
  for (int stage = 1; stage < static_cast<int>(std::size(stages)); ++stage)
    PassPipelineRegistration<StageOptions>(
        ("lathe-stage-" + stages[stage].name).str(), stages[stage].description,
        [stage](OpPassManager &passes, const StageOptions &given) {
          PipelineOptions options;
          options.target = given.target;
          options.precision = given.precision;
          options.kvType = given.kvType;
          options.prefillRows = given.prefillRows;
          options.skippedLayers.assign(given.skip.begin(), given.skip.end());
          addStage(passes, stage, options);
        });
}

void lathe::compiler::registerLathePasses() {
  registerExitsPasses();
  registerWidthPasses();
  registerFusionPasses();
  registerPrecisionPasses();
  registerSchedulePasses();
  registerMemoryPasses();
  registerCpuPasses();
  registerNvptxPasses();
  registerReferencePasses();
  registerTestFaultPass();
  PassRegistration<MarkStagePass>();
}

void lathe::compiler::registerUpstreamDialects(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, bufferization::BufferizationDialect,
                  cf::ControlFlowDialect, linalg::LinalgDialect, math::MathDialect,
                  memref::MemRefDialect, tensor::TensorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
}

void lathe::compiler::registerLatheDialects(DialectRegistry &registry) {
  registry.insert<ir::LatheDialect, step::StepDialect, arith::ArithDialect, func::FuncDialect,
                  LLVM::LLVMDialect, scf::SCFDialect, vector::VectorDialect>();
}
