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
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace lathe::compiler;

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
                                     llvm::LLVMContext &context) {
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
  if (llvm::Error error = checkAtomics(*ir))
    return error;
  return ir;
}

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
  passes.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
}

llvm::Expected<std::string> lathe::compiler::compileToPTX(llvm::Module &module,
                                                          const NvptxTarget &target) {
  auto machine = createMachine(target);
  if (!machine)
    return machine.takeError();
  optimize(module, **machine);
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return makeError("the target cannot emit PTX");
  passes.run(module);
  return std::string(text.begin(), text.end());
}
