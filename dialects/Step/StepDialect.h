//===- StepDialect.h - The schedule-level dialect ---------------*- C++ -*-===//

#ifndef LATHE_DIALECTS_STEP_STEPDIALECT_H
#define LATHE_DIALECTS_STEP_STEPDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/Step/StepDialect.h.inc"

#endif // LATHE_DIALECTS_STEP_STEPDIALECT_H
