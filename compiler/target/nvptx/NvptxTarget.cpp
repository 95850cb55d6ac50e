//===- NvptxTarget.cpp - NVIDIA GPUs that code is made for -----------------===//

#include "compiler/target/nvptx/NvptxTarget.h"

#include "compiler/target/cpu/Manifest.h"
#include "compiler/target/nvptx/Assembler.h"
#include "compiler/target/nvptx/GpuElements.h"
#include "compiler/target/nvptx/GpuFormat.h"
#include "compiler/target/nvptx/GpuRowOps.h"
#include "compiler/target/nvptx/GpuWork.h"
#include "compiler/target/nvptx/NvptxCodegen.h"
#include "compiler/target/nvptx/Passes.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"

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
    if (auto attention = dyn_cast<ir::AttentionOp>(op); attention && attention.getPrecisionType())
      tellOnce(op->getLoc(), "attention whose products are of bf16");
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

std::vector<std::string> NvptxTarget::outputs() const {
  return {"ptx", "llvm", "cubin", "resources"};
}

static bool needsAssembler(StringRef output) { return output == "cubin" || output == "resources"; }

std::string NvptxTarget::missingTool(StringRef output) const {
  return needsAssembler(output) && findAssembler().empty() ? "ptxas" : "";
}

/// What the manifest says of a launch.
static ManifestTarget readLaunch(ModuleOp module) {
  ManifestTarget result;
  auto global = module.lookupSymbol<LLVM::GlobalOp>("lathe_manifest");
  auto manifest = llvm::json::parse(global ? cast<StringAttr>(global.getValueAttr()).getValue()
                                           : StringRef("{}"));
  if (!manifest)
    llvm::consumeError(manifest.takeError());
  else if (auto *root = manifest->getAsObject())
    if (auto *launch = root->getObject("launch")) {
      result.threads = launch->getInteger("threads").value_or(0);
      result.sharedBytes = launch->getInteger("shared_bytes").value_or(0);
    }
  return result;
}

/// `work`: the phases, as `writeRoofline` writes them.
static std::string describeKernels(const AssembledKernels &assembled, const NvptxTarget &target,
                                   const ManifestTarget &launch, StringRef work) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream, /*IndentSize=*/2);
  const GpuKind &gpu = *findGpuKind(target.chip);
  json.object([&] {
    json.attribute("target", target.name);
    json.attribute("gpu", gpu.peaks.name);
    json.attribute("threads", launch.threads);
    json.attribute("shared_bytes", launch.sharedBytes);
    json.attributeArray("kernels", [&] {
      for (const KernelResources &kernel : assembled.kernels) {
        Occupancy room =
            computeOccupancy(gpu.limits, launch.threads, kernel.registers, launch.sharedBytes);
        json.object([&] {
          json.attribute("name", kernel.name);
          json.attribute("registers", kernel.registers);
          json.attribute("stack_bytes", kernel.stackBytes);
          json.attribute("spill_store_bytes", kernel.spillStores);
          json.attribute("spill_load_bytes", kernel.spillLoads);
          json.attribute("blocks", room.blocks);
          json.attribute("occupancy", room.share);
          json.attribute("limit", room.limit);
        });
      }
    });
    json.attributeBegin("phases");
    json.rawValue(work);
    json.attributeEnd();
  });
  stream << "\n";
  return text;
}

static std::string describeWork(ModuleOp module, const NvptxTarget &target) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream, /*IndentSize=*/2);
  json.array([&] { writeRoofline(json, module, findGpuKind(target.chip)->peaks); });
  return text;
}

llvm::Expected<std::string> NvptxTarget::generate(ModuleOp module, StringRef output,
                                                  bool timing) const {
  llvm::LLVMContext context;
  GpuCodeTimes times;
  const ManifestTarget launch = readLaunch(module);
  const std::string work = needsAssembler(output) ? describeWork(module, *this) : "";
  auto ir = translateGpuKernels(module, *this, context, &times);
  if (!ir)
    return ir.takeError();
  if (output == "llvm") {
    std::string text;
    llvm::raw_string_ostream stream(text);
    (*ir)->print(stream, nullptr);
    return text;
  }
  auto text = compileToPTX(**ir, *this, timing ? &times : nullptr);
  if (timing)
    times.print(llvm::errs());
  if (!text || !needsAssembler(output))
    return text;
  auto assembled = assemble(findAssembler(), *text, chip);
  if (!assembled)
    return assembled.takeError();
  return output == "cubin" ? assembled->cubin : describeKernels(*assembled, *this, launch, work);
}

static const DeviceTargetRegistration
    ampere(std::make_unique<NvptxTarget>("sm_80", 71)),  // A100; 8.6 runs it as well.
    ada(std::make_unique<NvptxTarget>("sm_89", 78)),     // RTX 40, L40S.
    hopper(std::make_unique<NvptxTarget>("sm_90a", 80)), // H100, H200.
    // What stands in for a driver in tests runs LLVM IR (compiler/cuemu/driver).
    emulator(std::make_unique<NvptxTarget>("cuemu", "sm_80", 71, "llvm")),
    hopperEmulator(std::make_unique<NvptxTarget>("cuemu_90a", "sm_90a", 80, "llvm"));
