//===- FolderArchitecture.cpp - Architectures of model folders -------------===//

#include "compiler/import/FolderArchitecture.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>
#include <map>

using namespace lathe;
using namespace lathe::compiler;

static std::map<std::string, FolderArchitectureBuilder> &registry() {
  static std::map<std::string, FolderArchitectureBuilder> builders;
  return builders;
}

FolderArchitectureRegistration::FolderArchitectureRegistration(llvm::StringRef modelType,
                                                               FolderArchitectureBuilder builder) {
  registry()[modelType.str()] = builder;
}

mlir::OwningOpRef<mlir::ModuleOp> lathe::compiler::importFolder(const ModelFolder &folder,
                                                                mlir::MLIRContext &context,
                                                                Diagnostics &diags) {
  std::string type(folder.modelType());
  if (type.empty()) {
    diags.error(402, folder.configPath(), "missing key 'model_type'",
                "the file does not say what kind of model it is");
    return {};
  }
  if (auto found = registry().find(type); found != registry().end())
    return found->second(folder, context, diags);
  diags.error(401, folder.configPath(), "unknown model type '" + type + "'",
              "supported as a folder: " + llvm::join(llvm::make_first_range(registry()), ", ") +
                  "; convert others to GGUF");
  return {};
}

//===----------------------------------------------------------------------===//
// FolderConfig
//===----------------------------------------------------------------------===//

std::string FolderConfig::where(llvm::StringRef key) const {
  return folder.configPath() + ": key '" + key.str() + "'";
}

bool FolderConfig::missing(llvm::StringRef key) {
  if (folder.config()[std::string_view(key)])
    return false;
  diags.error(402, folder.configPath(), "missing key '" + key.str() + "'",
              "the file is incomplete; fetch it again");
  return true;
}

int64_t FolderConfig::integer(llvm::StringRef key, int64_t min, int64_t max) {
  if (missing(key))
    return min;
  JsonValue value = folder.config()[std::string_view(key)];
  std::optional<int64_t> number = value.integer();
  if (number && *number >= min && *number <= max)
    return *number;
  diags.error(403, where(key),
              "must be an integer from " + std::to_string(min) + " to " + std::to_string(max) +
                  ", found " + value.str());
  return min;
}

double FolderConfig::positive(llvm::StringRef key) {
  if (missing(key))
    return 1.0;
  JsonValue value = folder.config()[std::string_view(key)];
  std::optional<double> number = value.number();
  if (number && std::isfinite(*number) && *number > 0)
    return *number;
  diags.error(403, where(key), "must be a positive number, found " + value.str());
  return 1.0;
}

llvm::StringRef FolderConfig::word(llvm::StringRef key, llvm::ArrayRef<llvm::StringRef> words) {
  JsonValue value = folder.config()[std::string_view(key)];
  if (!value)
    return words.front();
  std::string_view text = value.text().value_or("");
  if (llvm::is_contained(words, llvm::StringRef(text)))
    return llvm::StringRef(text);
  diags.error(401, where(key), "found " + value.str() + ", which is not supported",
              "supported: " + llvm::join(words, ", "));
  return words.front();
}

void FolderConfig::refuse(llvm::StringRef key) {
  if (folder.config()[std::string_view(key)].boolean().value_or(false))
    diags.error(401, where(key), "found true, which is not supported");
}
