//===- Passes.h - Passes around the reference program -----------*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_PASSES_H
#define LATHE_COMPILER_REFERENCE_PASSES_H

#include "mlir/Pass/Pass.h"

namespace lathe::compiler {

#define GEN_PASS_DECL
#include "compiler/reference/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/reference/Passes.h.inc"

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_PASSES_H
