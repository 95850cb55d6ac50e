//===- Import.cpp - From a model file to the model level -------------------===//

#include "compiler/import/Import.h"

#include "llvm/ADT/StringExtras.h"

using namespace lathe;
using namespace lathe::compiler;

/// The registered name nearest to `name`, when it is near at all.
static llvm::StringRef nearestArchitecture(llvm::StringRef name) {
  llvm::StringRef best;
  unsigned bestDistance = 3;
  for (llvm::StringRef candidate : allArchitectures()) {
    unsigned distance = name.edit_distance(candidate, /*AllowReplacements=*/true, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

mlir::OwningOpRef<mlir::ModuleOp>
lathe::compiler::importGGUF(const GGUFFile &file, mlir::MLIRContext &context, Diagnostics &diags) {
  std::optional<std::string_view> name = file.getString("general.architecture");
  if (!name) {
    diags.error(402, file.path(), "missing key 'general.architecture'",
                "the file does not say what kind of model it is; convert it again");
    return {};
  }
  if (ArchitectureBuilder builder = findArchitecture(llvm::StringRef(*name)))
    return builder(file, context, diags);
  std::string hint = "supported: " + llvm::join(allArchitectures(), ", ");
  if (llvm::StringRef nearest = nearestArchitecture(llvm::StringRef(*name)); !nearest.empty())
    hint = "did you mean '" + nearest.str() + "'? " + hint;
  diags.error(401, file.path(), "unknown architecture '" + std::string(*name) + "'", hint);
  return {};
}
