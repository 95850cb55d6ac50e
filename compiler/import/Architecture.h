//===- Architecture.h - Model architectures, by name ------------*- C++ -*-===//
//
// An architecture turns the metadata of a model file into a graph.  It is added
// by one file that registers itself; import asks by the name in the file.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_IMPORT_ARCHITECTURE_H
#define LATHE_COMPILER_IMPORT_ARCHITECTURE_H

#include "runtime/formats/GGUF.h"
#include "runtime/support/Diagnostics.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace lathe::compiler {

/// Builds the module of a file of this architecture; null when `diags` has
/// errors.
using ArchitectureBuilder = mlir::OwningOpRef<mlir::ModuleOp> (*)(const GGUFFile &file,
                                                                  mlir::MLIRContext &context,
                                                                  Diagnostics &diags);

/// A static object of this type registers an architecture under the name that
/// `general.architecture` has in its files.
struct ArchitectureRegistration {
  ArchitectureRegistration(llvm::StringRef name, ArchitectureBuilder builder);
};

/// The builder of that name, or null.
ArchitectureBuilder findArchitecture(llvm::StringRef name);

/// All registered names, sorted.
llvm::SmallVector<llvm::StringRef> allArchitectures();

} // namespace lathe::compiler

#endif // LATHE_COMPILER_IMPORT_ARCHITECTURE_H
