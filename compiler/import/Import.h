//===- Import.h - From a model file to the model level ----------*- C++ -*-===//

#ifndef LATHE_COMPILER_IMPORT_IMPORT_H
#define LATHE_COMPILER_IMPORT_IMPORT_H

#include "compiler/import/Architecture.h"

namespace lathe::compiler {

/// The graph of a GGUF file: a module with one `lathe.weights` per weight and
/// `@forward`.  Reads metadata and the tensor table, never the weights.  Null
/// when `diags` has errors; all that is wrong is listed.
mlir::OwningOpRef<mlir::ModuleOp> importGGUF(const GGUFFile &file, mlir::MLIRContext &context,
                                             Diagnostics &diags);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_IMPORT_IMPORT_H
