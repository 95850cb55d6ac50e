//===- RewriteAsm.h - PTX that has no intrinsic -----------------*- C++ -*-===//

#ifndef LATHE_COMPILER_CUEMU_REWRITEASM_H
#define LATHE_COMPILER_CUEMU_REWRITEASM_H

#include "compiler/cuemu/WarpOps.h"

#include "llvm/IR/InstrTypes.h"

#include <optional>

namespace lathe::cuemu {

/// What inline assembly means: a function without arguments, or an operation of the warp on all
/// operands.
struct AsmMeaning {
  void *function = nullptr;
  WarpOperation operation = nullptr;
  uint32_t detail = 0;
};

/// Nothing when it has none here.
std::optional<AsmMeaning> findAsmMeaning(const llvm::CallBase &call);

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_REWRITEASM_H
