//===- FolderArchitecture.h - Architectures of model folders ----*- C++ -*-===//
//
// An architecture turns the configuration of a folder in the form of Hugging Face
// into a graph.  It is added by one file that registers itself; import asks by the
// `model_type` of the folder.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_IMPORT_FOLDERARCHITECTURE_H
#define LATHE_COMPILER_IMPORT_FOLDERARCHITECTURE_H

#include "runtime/formats/ModelFolder.h"
#include "runtime/support/Diagnostics.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace lathe::compiler {

/// Builds the module of a folder of this architecture; null when `diags` has errors.
using FolderArchitectureBuilder = mlir::OwningOpRef<mlir::ModuleOp> (*)(const ModelFolder &folder,
                                                                        mlir::MLIRContext &context,
                                                                        Diagnostics &diags);

/// A static object of this type registers an architecture under its `model_type`.
struct FolderArchitectureRegistration {
  FolderArchitectureRegistration(llvm::StringRef modelType, FolderArchitectureBuilder builder);
};

/// The graph of a folder: a module with one `lathe.weights` per weight and `@forward`.
/// Reads the configuration and the tensor table, never the weights.  Null when `diags`
/// has errors; all that is wrong is listed.
mlir::OwningOpRef<mlir::ModuleOp> importFolder(const ModelFolder &folder,
                                               mlir::MLIRContext &context, Diagnostics &diags);

/// Members of config.json, with their limits.
class FolderConfig {
public:
  FolderConfig(const ModelFolder &folder, Diagnostics &diags) : folder(folder), diags(diags) {}

  /// A required integer in [min, max]; reports and gives `min` otherwise.
  int64_t integer(llvm::StringRef key, int64_t min, int64_t max);
  /// A required finite number > 0.
  double positive(llvm::StringRef key);
  /// One of `words`, or the first where there is no such member; reports and gives the first
  /// otherwise.
  llvm::StringRef word(llvm::StringRef key, llvm::ArrayRef<llvm::StringRef> words);
  /// Reports a member that is true.
  void refuse(llvm::StringRef key);

private:
  std::string where(llvm::StringRef key) const;
  bool missing(llvm::StringRef key);

  const ModelFolder &folder;
  Diagnostics &diags;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_IMPORT_FOLDERARCHITECTURE_H
