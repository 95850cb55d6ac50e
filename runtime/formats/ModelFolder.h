//===- ModelFolder.h - A model in the form of Hugging Face ------*- C++ -*-===//
//
// A folder with `config.json` (hyper-parameters), `model.safetensors` (weights) and
// the files of a tokenizer, as transformers and sentence-transformers write them.
// Nothing in it is ever run: `auto_map` and pickled weights are not looked at.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_MODELFOLDER_H
#define LATHE_RUNTIME_FORMATS_MODELFOLDER_H

#include "runtime/formats/Safetensors.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/JsonReader.h"
#include "runtime/support/MappedFile.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lathe {

class ModelFolder {
public:
  static constexpr std::string_view WeightsName = "model.safetensors";

  /// Whether `Path` is a folder.
  static bool matches(const std::string &Path);

  /// Opens configuration and weights.  Null on error, all told: E0350 a file is
  /// missing, E0351 the configuration is no JSON object, E0323 the weights are in
  /// several files, and those of SafetensorsFile::open.
  static std::unique_ptr<ModelFolder> open(const std::string &Path, Diagnostics &Diags);

  /// As it was given, without a slash at its end.
  const std::string &path() const { return Path; }
  /// An object.
  JsonValue config() const { return Config->root(); }
  const std::string &configPath() const { return ConfigFile->path(); }
  /// The value of `model_type`; empty when there is none.
  std::string_view modelType() const { return config()["model_type"].text().value_or(""); }
  const SafetensorsFile &weights() const { return *Weights; }

  /// All that a program made of the folder depends on: its configuration and the
  /// header of its weights, one behind the other.
  std::vector<uint8_t> headerBytes() const;

  /// The path of a file in the folder, which need not exist.
  std::string pathOf(std::string_view Name) const { return Path + "/" + std::string(Name); }
  bool has(std::string_view Name) const;
  /// What stands in the file of that name; nullopt without an error when there is no such
  /// file, and with E0351 or those of MappedFile::open when it cannot be read.
  std::optional<JsonDocument> readJson(std::string_view Name, Diagnostics &Diags) const;

private:
  ModelFolder() = default;
  bool openConfig(Diagnostics &Diags);
  bool openWeights(Diagnostics &Diags);

  std::string Path;
  std::unique_ptr<MappedFile> ConfigFile;
  std::optional<JsonDocument> Config;
  std::unique_ptr<SafetensorsFile> Weights;
};

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_MODELFOLDER_H
