//===- RandomGraph.h - Random small transformers ----------------*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_RANDOMGRAPH_H
#define LATHE_COMPILER_REFERENCE_RANDOMGRAPH_H

#include "mlir/IR/BuiltinOps.h"

namespace lathe::compiler {

/// Fills `module`, which must be empty, with weights and a function @forward,
/// as an importer would: sizes, formats, grouped queries, windows, biases,
/// norms per head, a tied embedding and layers that differ are drawn from
/// `seed`. The lathe and func dialects must be loaded.
void buildRandomGraph(mlir::ModuleOp module, uint64_t seed);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_RANDOMGRAPH_H
