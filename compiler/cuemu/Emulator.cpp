//===- Emulator.cpp - Runs GPU kernels on the CPU --------------------------===//

#include "compiler/cuemu/Emulator.h"

#include "compiler/cuemu/Machine.h"
#include "compiler/cuemu/Rewrite.h"
#include "compiler/reference/ReferenceJit.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"

using namespace lathe::cuemu;

Emulator::Emulator(std::unique_ptr<llvm::orc::LLJIT> code, bool checksRaces)
    : code(std::move(code)), checksRaces(checksRaces) {}

Emulator::~Emulator() = default;

llvm::Expected<std::unique_ptr<Emulator>>
Emulator::create(std::unique_ptr<llvm::Module> module, std::unique_ptr<llvm::LLVMContext> context,
                 llvm::StringRef sharedName, bool checksRaces) {
  if (llvm::Error error = rewriteForHost(*module, sharedName, checksRaces)) {
    module.reset(); // Ahead of its context.
    return error;
  }
  auto jit = compiler::compileInProcess(std::move(module), std::move(context));
  if (!jit)
    return jit.takeError();
  return std::unique_ptr<Emulator>(new Emulator(std::move(*jit), checksRaces));
}

bool Emulator::hasKernel(llvm::StringRef name) const {
  auto found = code->lookup(name);
  if (found)
    return true;
  llvm::consumeError(found.takeError());
  return false;
}

llvm::Error Emulator::run(llvm::StringRef name, const Launch &launch, void *argument) {
  auto found = code->lookup(name);
  if (!found)
    return found.takeError();
  Machine machine(launch, found->toPtr<Machine::Kernel>(), argument, checksRaces);
  std::string fault = machine.run();
  if (fault.empty())
    return llvm::Error::success();
  return llvm::createStringError(llvm::inconvertibleErrorCode(), name + ": " + fault);
}
