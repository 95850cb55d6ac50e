//===- LatheDialect.h - The model-level dialect -----------------*- C++ -*-===//

#ifndef LATHE_DIALECTS_LATHE_LATHEDIALECT_H
#define LATHE_DIALECTS_LATHE_LATHEDIALECT_H

#include "mlir/IR/Dialect.h"

#include "dialects/Lathe/LatheDialect.h.inc"

#endif // LATHE_DIALECTS_LATHE_LATHEDIALECT_H
