//===- Passes.h - Passes of the theme "Width" -------------------*- C++ -*-===//

#ifndef LATHE_PASSES_WIDTH_PASSES_H
#define LATHE_PASSES_WIDTH_PASSES_H

#include "mlir/Pass/Pass.h"

namespace lathe {

#define GEN_PASS_DECL
#include "passes/Width/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Width/Passes.h.inc"

} // namespace lathe

#endif // LATHE_PASSES_WIDTH_PASSES_H
