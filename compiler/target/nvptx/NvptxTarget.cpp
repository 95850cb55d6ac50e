//===- NvptxTarget.cpp - NVIDIA GPUs that code is made for -----------------===//

#include "compiler/target/nvptx/NvptxTarget.h"

#include "compiler/target/nvptx/GpuElements.h"
#include "compiler/target/nvptx/GpuFormat.h"
#include "compiler/target/nvptx/GpuRowOps.h"
#include "compiler/target/nvptx/NvptxCodegen.h"
#include "compiler/target/nvptx/Passes.h"

#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

const NvptxTarget *lathe::compiler::findNvptxTarget(StringRef name) {
  // There is no other family of devices.
  return static_cast<const NvptxTarget *>(findDeviceTarget(name));
}

//===----------------------------------------------------------------------===//
// What there are kernels for
//===----------------------------------------------------------------------===//

/// Ops of ours that phases are emitted for as a whole, or that hold others.
static bool isStructural(Operation *op) {
  return isa<ir::WeightsOp, ir::WeightOp, ir::LinearOp, ir::KVAppendOp, ir::AttentionOp,
             ir::LayersOp, ir::GroupOp, ir::YieldOp>(op);
}

static bool hasCode(Operation *op) {
  StringRef name = op->getName().getStringRef();
  return isStructural(op) || findGpuRowEmitter(name) || findGpuElementEmitter(name);
}

static bool isUpstreamDialect(StringRef dialect) {
  return dialect != "lathe" && dialect != "step" && dialect != "func" && dialect != "builtin";
}

void NvptxTarget::findUnsupported(ModuleOp module, StringRef kvType, Tell tell) const {
  llvm::StringSet<> told;
  auto tellOnce = [&](Location loc, const std::string &what) {
    if (told.insert(what).second)
      tell(loc, what);
  };
  if (kvType == "int8")
    tellOnce(module.getLoc(), "a KV cache of int8");
  module.walk([&](Operation *op) {
    StringRef dialect = op->getName().getDialectNamespace();
    if (isUpstreamDialect(dialect) || (dialect == "lathe" && !hasCode(op)))
      tellOnce(op->getLoc(), ("op '" + op->getName().getStringRef() + "'").str());
    if (auto yield = dyn_cast<ir::YieldOp>(op);
        (yield && yield.getUntil()) || isa<step::ExitIfOp>(op))
      tellOnce(op->getLoc(), "an exit from the layers");
    if (auto program = dyn_cast<step::ProgramOp>(op);
        program && (program.isFunction() || program.isEncoder()))
      tellOnce(op->getLoc(), program.isFunction() ? "a function on tensors" : "an encoder");
    if (auto weights = dyn_cast<ir::WeightsOp>(op)) {
      StringRef format = ir::getBlockFormat(weights.getTensorType().getElementType())->Name;
      if (!findGpuFormat(format))
        tellOnce(op->getLoc(), ("weights of " + format).str());
    }
    if (auto append = dyn_cast<ir::KVAppendOp>(op);
        append && !isGpuCacheElement(append.getCache().getType().getElementType()))
      tellOnce(op->getLoc(), "a KV cache of int8");
  });
}

//===----------------------------------------------------------------------===//
// The target
//===----------------------------------------------------------------------===//

void NvptxTarget::addKernels(OpPassManager &passes) const {
  EmitNvptxPassOptions emit;
  emit.targetName = name;
  passes.addPass(createEmitNvptxPass(emit));
}

llvm::Expected<std::string> NvptxTarget::generate(ModuleOp module, StringRef output,
                                                  bool timing) const {
  llvm::LLVMContext context;
  GpuCodeTimes times;
  auto ir = translateGpuKernels(module, *this, context, &times);
  if (!ir)
    return ir.takeError();
  if (output != "ptx") {
    std::string text;
    llvm::raw_string_ostream stream(text);
    (*ir)->print(stream, nullptr);
    return text;
  }
  auto text = compileToPTX(**ir, *this, timing ? &times : nullptr);
  if (timing)
    times.print(llvm::errs());
  return text;
}

static const DeviceTargetRegistration
    ampere(std::make_unique<NvptxTarget>("sm_80", 71)),  // A100; 8.6 runs it as well.
    ada(std::make_unique<NvptxTarget>("sm_89", 78)),     // RTX 40, L40S.
    hopper(std::make_unique<NvptxTarget>("sm_90a", 80)), // H100, H200.
    // What stands in for a driver in tests runs LLVM IR (compiler/cuemu/driver).
    emulator(std::make_unique<NvptxTarget>("cuemu", "sm_80", 71, "llvm"));
