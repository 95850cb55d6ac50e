//===- Watch.h - What lathe-opt says of a run -------------------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_OPT_WATCH_H
#define LATHE_TOOLS_LATHE_OPT_WATCH_H

#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace lathe::opt {

/// Keeps what `passes` are given and counts what they count.  To be called when
/// the pipeline is complete.
void watch(mlir::PassManager &passes);

/// Runs `body`; the exit code of the tool.  A pass that crashes, or fails without
/// a word, is a fault of ours: error 901 or 903, a reproducer and exit code 70.
/// Prints the statistics when --lathe-pass-statistics asks for them.
int runWatched(llvm::function_ref<mlir::LogicalResult()> body);

} // namespace lathe::opt

#endif // LATHE_TOOLS_LATHE_OPT_WATCH_H
