//===- KernelNames.cpp - What the functions of phases are called -----------===//

#include "compiler/target/cpu/KernelNames.h"

#include "llvm/ADT/StringExtras.h"

using namespace lathe;
using namespace lathe::compiler;

std::string KernelNames::next(step::ProgramOp program, step::PhaseOp phase) {
  std::string base = (program.getSymName() + "." + phase.getPhaseName()).str();
  for (char &letter : base)
    if (!llvm::isAlnum(letter) && letter != '.')
      letter = '_';
  std::string name = base;
  for (unsigned i = 1; !given.insert(name).second; ++i)
    name = base + "." + std::to_string(i);
  return name;
}
