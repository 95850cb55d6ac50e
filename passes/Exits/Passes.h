//===- Passes.h - Passes of the theme "Exits" -------------------*- C++ -*-===//

#ifndef LATHE_PASSES_EXITS_PASSES_H
#define LATHE_PASSES_EXITS_PASSES_H

#include "mlir/Pass/Pass.h"

namespace lathe {

#define GEN_PASS_DECL
#include "passes/Exits/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Exits/Passes.h.inc"

} // namespace lathe

#endif // LATHE_PASSES_EXITS_PASSES_H
