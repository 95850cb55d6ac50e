//===- Passes.h - Passes of the theme "Memory" -------------------*- C++ -*-===//

#ifndef LATHE_PASSES_MEMORY_PASSES_H
#define LATHE_PASSES_MEMORY_PASSES_H

#include "dialects/Step/StepOps.h"

#include "mlir/Pass/Pass.h"

#include <string>

namespace lathe {

#define GEN_PASS_DECL
#include "passes/Memory/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Memory/Passes.h.inc"

} // namespace lathe

#endif // LATHE_PASSES_MEMORY_PASSES_H
