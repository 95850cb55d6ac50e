//===- Rewrite.h - LLVM IR for NVPTX as IR for this machine -----*- C++ -*-===//

#ifndef LATHE_COMPILER_CUEMU_REWRITE_H
#define LATHE_COMPILER_CUEMU_REWRITE_H

#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

namespace lathe::cuemu {

/// Makes calls of the current Machine of everything that threads do together and, with
/// `checksRaces`, puts one in front of every access to memory.  Fails on what has no
/// meaning here.
llvm::Error rewriteForHost(llvm::Module &module, llvm::StringRef sharedName, bool checksRaces);

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_REWRITE_H
