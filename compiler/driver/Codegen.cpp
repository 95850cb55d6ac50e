//===- Codegen.cpp - From kernels to machine code --------------------------===//

#include "compiler/driver/Codegen.h"

#include "runtime/support/LoadedObjects.h"
#include "runtime/support/MappedMemory.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/PassTimingInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Pass.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SaveAndRestore.h"
#include "llvm/Support/TargetSelect.h"

using namespace mlir;
using namespace lathe::compiler;

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

/// Sets what the backend knows only as an option of the process.
static void setBackendOption(llvm::StringRef name, bool value) {
  auto &options = llvm::cl::getRegisteredOptions();
  auto found = options.find(name);
  assert(found != options.end() && "this LLVM names the option otherwise");
  if (found != options.end())
    static_cast<llvm::cl::opt<bool> *>(found->second)->setValue(value);
}

/// Leaves out what takes more of the backend's time than it saves of the kernels'.
/// Loop strength reduction is a quarter of that time, and saves 0.5 % of the
/// instructions in int8 prefill, 1 % in int8 decode and, where reading weights is
/// what takes the time, 9 % in f32 decode.  The machine combiner is 2.5 %, and the
/// kernels have 0.2 to 0.8 % fewer instructions without it.
static void disableCostlyPasses() {
  setBackendOption("disable-lsr", true);
  setBackendOption("x86-machine-combiner", false);
}

llvm::Expected<std::unique_ptr<Codegen>> Codegen::create(const CpuTarget &target, bool timing) {
  static const bool initialized = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    disableCostlyPasses();
    return true;
  }();
  (void)initialized;
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  std::string message;
  const llvm::Target *backend = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!backend)
    return makeError(message);
  std::unique_ptr<Codegen> codegen(new Codegen(target, timing));
  // ORC's default, the large code model, gives objects that no linker takes.
  codegen->machine.reset(backend->createTargetMachine(triple, target.cpu, target.featureString(),
                                                      {}, llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                                      llvm::CodeGenOptLevel::Aggressive));
  return codegen;
}

/// Where MLIR is a library of its own, the pages of its code are of no use while LLVM works.
static void releaseMLIRPages() {
  for (const auto &object : lathe::listLoadedObjects())
    if (llvm::sys::path::filename(object.Path).starts_with("libMLIR"))
      for (std::span<const uint8_t> segment : object.ReadOnly)
        lathe::releaseFilePages(segment.data(), segment.size());
}

/// The ways of the dialects that kernels are written in to the LLVM dialect.
static void registerConversions(MLIRContext &context) {
  DialectRegistry registry;
  arith::registerConvertArithToLLVMInterface(registry);
  cf::registerConvertControlFlowToLLVMInterface(registry);
  registerConvertFuncToLLVMInterface(registry);
  registerConvertMathToLLVMInterface(registry);
  registerConvertMemRefToLLVMInterface(registry);
  vector::registerConvertVectorToLLVMInterface(registry);
  context.appendDialectRegistry(registry);
}

/// Whether there are phases of ops that are not ours: all others work on pointers.
static bool usesMemory(ModuleOp module) {
  auto isMemory = [](Operation *op) {
    return isa_and_nonnull<memref::MemRefDialect, math::MathDialect>(op->getDialect())
               ? WalkResult::interrupt()
               : WalkResult::advance();
  };
  return module.walk(isMemory).wasInterrupted();
}

void Codegen::setTarget() {
  ir->setDataLayout(machine->createDataLayout());
  ir->setTargetTriple(machine->getTargetTriple());
}

void Codegen::fill(llvm::function_ref<void(llvm::Module &)> build) {
  ir = std::make_unique<llvm::Module>("lathe", context);
  setTarget();
  build(*ir);
}

llvm::Error Codegen::lower(ModuleOp module) {
  registerConversions(*module.getContext());
  PassManager passes(module.getContext());
  passes.addPass(createSCFToControlFlowPass());
  // Vectors of ours need none of what this does ahead of converting.
  if (usesMemory(module))
    passes.addPass(createConvertVectorToLLVMPass());
  ConvertToLLVMPassOptions convert;
  // Nothing is tried in vain, and keeping what was there takes two thirds of the time.
  convert.allowPatternRollback = false;
  passes.addPass(createConvertToLLVMPass(convert));
  passes.addPass(createReconcileUnrealizedCastsPass());
  passes.enableVerifier(false);
  if (timing)
    passes.enableTiming();
  if (failed(passes.run(module)))
    return makeError("lowering the kernels to the LLVM dialect failed");
  registerBuiltinDialectTranslation(*module.getContext());
  registerLLVMDialectTranslation(*module.getContext());
  ir = translateModuleToLLVMIR(module, context, "lathe");
  if (!ir)
    return makeError("translating the kernels to LLVM IR failed");
  // The backend takes the memory that they held.
  module.getBody()->clear();
  releaseMLIRPages();
  setTarget();
  for (llvm::Function &function : *ir) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.featureString());
    function.addFnAttr("prefer-vector-width", std::to_string(target.vectorBits));
    function.addFnAttr(llvm::Attribute::NoUnwind);
    if (!function.hasLocalLinkage())
      function.setVisibility(llvm::GlobalValue::DefaultVisibility);
  }
  // The emitters write loops as they shall run, and the backend finds what is left:
  // passes over this IR (instcombine, early-cse, licm) changed no kernel's number of
  // instructions by more than 2 %, as often up as down, and took a fifth of the time.
  return llvm::Error::success();
}

std::string Codegen::printIR() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  ir->print(stream, nullptr);
  return text;
}

llvm::Expected<std::string> Codegen::emit(llvm::CodeGenFileType type) {
  llvm::SmallVector<char, 0> buffer;
  llvm::raw_svector_ostream stream(buffer);
  // A setting of the whole process, and of this compile as long as it emits.
  llvm::SaveAndRestore<bool> timed(llvm::TimePassesIsEnabled, timing);
  llvm::legacy::PassManager passes;
  if (machine->addPassesToEmitFile(passes, stream, nullptr, type))
    return makeError("the target cannot emit this kind of file");
  passes.run(*ir);
  if (timing)
    llvm::reportAndResetTimings(&llvm::errs());
  return std::string(buffer.begin(), buffer.end());
}
