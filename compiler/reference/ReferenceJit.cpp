//===- ReferenceJit.cpp - From LLVM IR to a function pointer ---------------===//

#include "compiler/reference/ReferenceJit.h"

#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/ThreadSafeModule.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace lathe::compiler;
using namespace llvm;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

static thread_local BumpPtrAllocator *runMemory = nullptr;

RunMemory::RunMemory() : outer(runMemory) { runMemory = &memory; }
RunMemory::~RunMemory() { runMemory = outer; }

/// What `memref.alloc` becomes. Nothing is freed before the end of the run.
static void *allocateForRun(size_t bytes) {
  constexpr size_t cacheLine = 64;
  return runMemory->Allocate(bytes, cacheLine);
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

void lathe::compiler::addPackedEntry(Module &module, StringRef name, StringRef callee) {
  Function *target = module.getFunction(callee);
  IRBuilder<> builder(module.getContext());
  auto *pointer = builder.getPtrTy();
  auto *type = FunctionType::get(builder.getVoidTy(), {pointer}, /*isVarArg=*/false);
  auto *entry = Function::Create(type, Function::ExternalLinkage, name, module);
  builder.SetInsertPoint(BasicBlock::Create(module.getContext(), "", entry));
  SmallVector<Value *> arguments;
  for (unsigned i = 0; i < target->arg_size(); ++i) {
    Value *slot = builder.CreateConstInBoundsGEP1_32(pointer, entry->getArg(0), i);
    arguments.push_back(builder.CreateLoad(pointer, slot));
  }
  builder.CreateCall(target, arguments);
  builder.CreateRetVoid();
}

/// O2 without what grows code: these programs run once, so that compiling them
/// takes nearly all of their time.
static void optimize(Module &module, TargetMachine &machine) {
  PipelineTuningOptions tuning;
  tuning.LoopVectorization = false;
  tuning.SLPVectorization = false;
  tuning.LoopUnrolling = false;
  PassBuilder passes(&machine, tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  passes.registerModuleAnalyses(modules);
  passes.registerCGSCCAnalyses(components);
  passes.registerFunctionAnalyses(functions);
  passes.registerLoopAnalyses(loops);
  passes.crossRegisterProxies(loops, functions, components, modules);
  passes.buildPerModuleDefaultPipeline(OptimizationLevel::O2).run(module, modules);
}

Expected<std::unique_ptr<orc::LLJIT>>
lathe::compiler::compileInProcess(std::unique_ptr<Module> module,
                                  std::unique_ptr<LLVMContext> context) {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  auto host = orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return host.takeError();
  auto machine = host->createTargetMachine();
  if (!machine)
    return machine.takeError();
  auto jit = orc::LLJITBuilder().setJITTargetMachineBuilder(*host).create();
  if (!jit)
    return jit.takeError();

  module->setTargetTriple((*machine)->getTargetTriple());
  module->setDataLayout((*machine)->createDataLayout());
  optimize(*module, **machine);
  orc::SymbolMap symbols;
  symbols[(*jit)->mangleAndIntern("_mlir_memref_to_llvm_alloc")] = {
      orc::ExecutorAddr::fromPtr(&allocateForRun),
      JITSymbolFlags::Exported | JITSymbolFlags::Callable};
  if (Error error = (*jit)->getMainJITDylib().define(orc::absoluteSymbols(std::move(symbols))))
    return error;
  orc::ThreadSafeModule safe(std::move(module), std::move(context));
  if (Error error = (*jit)->addIRModule(std::move(safe)))
    return error;
  return jit;
}
