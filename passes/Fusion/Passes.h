//===- Passes.h - Passes of the theme "Fusion" -------------------*- C++ -*-===//

#ifndef LATHE_PASSES_FUSION_PASSES_H
#define LATHE_PASSES_FUSION_PASSES_H

#include "mlir/Pass/Pass.h"

#include <string>

namespace lathe {

#define GEN_PASS_DECL
#include "passes/Fusion/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "passes/Fusion/Passes.h.inc"

} // namespace lathe

#endif // LATHE_PASSES_FUSION_PASSES_H
