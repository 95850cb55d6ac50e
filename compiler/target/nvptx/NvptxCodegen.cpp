//===- NvptxCodegen.cpp - From GPU kernels to PTX --------------------------===//

#include "compiler/target/nvptx/NvptxCodegen.h"

#include "compiler/target/nvptx/GpuBuilder.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <chrono>
#include <utility>

using namespace mlir;
using namespace lathe::compiler;

namespace {
/// Seconds between one call and the next.
class Stopwatch {
public:
  double next() {
    auto now = std::chrono::steady_clock::now();
    std::chrono::duration<double> passed = now - std::exchange(last, now);
    return passed.count();
  }

private:
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};
} // namespace

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createMachine(const NvptxTarget &target) {
  static const bool initialized = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialized;
  llvm::Triple triple("nvptx64-nvidia-cuda");
  std::string message;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!backend)
    return makeError(message);
  return std::unique_ptr<llvm::TargetMachine>(
      backend->createTargetMachine(triple, target.chip, "+ptx" + std::to_string(target.version), {},
                                   std::nullopt, std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// LLVM 22 makes a relaxed `atom` of any atomicrmw, whatever order it asks for.
static llvm::Error checkAtomics(llvm::Module &module) {
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *atomic = llvm::dyn_cast<llvm::AtomicRMWInst>(&instruction);
          atomic && llvm::isStrongerThanMonotonic(atomic->getOrdering()))
        return makeError("an atomicrmw in " + function.getName() +
                         " is stronger than monotonic, which the backend does not keep");
  return llvm::Error::success();
}

/// MLIR cannot say it: without, LLVM may put a thread's copy of what all do together elsewhere.
static void markConvergent(llvm::Module &module) {
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction); call && call->isInlineAsm())
        call->addFnAttr(llvm::Attribute::Convergent);
}

/// abi.h names the entries so.
static constexpr llvm::StringLiteral KernelPrefix = "lathe_entry_";

/// Which functions are kernels, and that all blocks have the same threads.
static void markKernels(llvm::Module &module) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr(llvm::Attribute::NoUnwind);
    if (!function.getName().starts_with(KernelPrefix)) {
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
      // One kernel of all phases takes the assembler of NVIDIA four times as long, and more
      // registers than there are.
      function.addFnAttr(llvm::Attribute::NoInline);
      continue;
    }
    function.setCallingConv(llvm::CallingConv::PTX_Kernel);
    function.addFnAttr("nvvm.maxntid", std::to_string(BlockThreads));
    // Else ptxas gives a thread half of the registers that there are, and spills.
    function.addFnAttr("nvvm.minctasm", "1");
  }
}

llvm::Expected<std::unique_ptr<llvm::Module>>
lathe::compiler::translateGpuKernels(ModuleOp module, const NvptxTarget &target,
                                     llvm::LLVMContext &context, GpuCodeTimes *times) {
  GpuCodeTimes ignored;
  GpuCodeTimes &taken = times ? *times : ignored;
  Stopwatch watch;
  PassManager passes(module.getContext());
  passes.addPass(createSCFToControlFlowPass());
  passes.addPass(createConvertVectorToLLVMPass());
  passes.addPass(createArithToLLVMConversionPass());
  passes.addPass(createConvertControlFlowToLLVMPass());
  passes.addPass(createConvertFuncToLLVMPass());
  passes.addPass(createReconcileUnrealizedCastsPass());
  passes.enableVerifier(false);
  if (failed(passes.run(module)))
    return makeError("lowering the kernels to the LLVM dialect failed");
  taken.lower = watch.next();
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  std::unique_ptr<llvm::Module> ir = translateModuleToLLVMIR(module, context, "lathe");
  if (!ir)
    return makeError("translating the kernels to LLVM IR failed");
  auto machine = createMachine(target);
  if (!machine)
    return machine.takeError();
  ir->setDataLayout((*machine)->createDataLayout());
  ir->setTargetTriple((*machine)->getTargetTriple());
  markKernels(*ir);
  markConvergent(*ir);
  if (llvm::Error error = checkAtomics(*ir))
    return error;
  taken.translate = watch.next();
  return ir;
}

/// O1: O2 takes half as long again, for kernels that are as small.
static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PassBuilder passes(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(components);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, components, modules);
  passes.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O1).run(module, modules);
}

static bool emitAssembly(llvm::Module &module, llvm::TargetMachine &machine,
                         llvm::SmallVectorImpl<char> &text) {
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return false;
  passes.run(module);
  return true;
}

/// How long each function takes alone, from its IR to PTX.
static void timeFunctions(const llvm::Module &module, llvm::TargetMachine &machine,
                          GpuCodeTimes &times) {
  for (const llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    llvm::ValueToValueMapTy values;
    std::unique_ptr<llvm::Module> alone =
        llvm::CloneModule(module, values, [&](const llvm::GlobalValue *global) {
          return global == &function || !isa<llvm::Function>(global);
        });
    // What is nobody's is left out.
    alone->getFunction(function.getName())->setLinkage(llvm::GlobalValue::ExternalLinkage);
    llvm::SmallVector<char, 0> text;
    Stopwatch watch;
    optimize(*alone, machine);
    double optimized = watch.next();
    emitAssembly(*alone, machine, text);
    times.functions.push_back({function.getName().str(), optimized, watch.next()});
  }
}

llvm::Expected<std::string> lathe::compiler::compileToPTX(llvm::Module &module,
                                                          const NvptxTarget &target,
                                                          GpuCodeTimes *times) {
  auto machine = createMachine(target);
  if (!machine)
    return machine.takeError();
  if (times)
    timeFunctions(module, **machine, *times);
  GpuCodeTimes ignored;
  GpuCodeTimes &taken = times ? *times : ignored;
  Stopwatch watch;
  optimize(module, **machine);
  taken.optimize = watch.next();
  llvm::SmallVector<char, 0> text;
  if (!emitAssembly(module, **machine, text))
    return makeError("the target cannot emit PTX");
  taken.emit = watch.next();
  return std::string(text.begin(), text.end());
}

void GpuCodeTimes::print(llvm::raw_ostream &out) const {
  out << "\nFrom kernels to GPU code, in seconds:\n";
  auto line = [&](double seconds, const llvm::Twine &what) {
    out << llvm::format("  %8.4f  ", seconds) << what << "\n";
  };
  line(lower, "lower to the LLVM dialect");
  line(translate, "translate to LLVM IR");
  line(optimize, "optimize");
  line(emit, "select instructions and print PTX");
  line(lower + translate + optimize + emit, "all");
  if (functions.empty())
    return;
  out << "Functions, each alone: optimize, and emit:\n";
  for (const Function &each : functions)
    out << llvm::format("  %8.4f  %8.4f  ", each.optimize, each.emit) << each.name << "\n";
}
