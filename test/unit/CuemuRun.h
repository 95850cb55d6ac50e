//===- CuemuRun.h - Kernels in LLVM IR, run by the GPU emulator -*- C++ -*-===//

#ifndef LATHE_TEST_UNIT_CUEMURUN_H
#define LATHE_TEST_UNIT_CUEMURUN_H

#include "compiler/cuemu/Emulator.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/Support/SourceMgr.h"

#include <string>
#include <utility>

/// Runs @kernel, whose shared memory is @shared; what went wrong, or "".
inline std::string runKernel(const std::string &text, const lathe::cuemu::Launch &launch,
                             void *argument) {
  using lathe::cuemu::Emulator;
  auto context = std::make_unique<llvm::LLVMContext>();
  llvm::SMDiagnostic wrong;
  std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(text, wrong, *context);
  if (!module)
    return "not LLVM IR: " + wrong.getMessage().str() + ": " + wrong.getLineContents().str();
  auto emulator = Emulator::create(std::move(module), std::move(context), "shared", true);
  if (!emulator)
    return llvm::toString(emulator.takeError());
  llvm::Error error = (*emulator)->run("kernel", launch, argument);
  return error ? llvm::toString(std::move(error)) : "";
}

inline bool contains(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
}

#endif // LATHE_TEST_UNIT_CUEMURUN_H
