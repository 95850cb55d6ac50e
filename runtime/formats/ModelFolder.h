//===- ModelFolder.h - A model in the form of Hugging Face ------*- C++ -*-===//
//
// A folder with `config.json` (hyper-parameters), `model.safetensors` (weights) and
// the files of a tokenizer, as transformers and sentence-transformers write them.
// Nothing in it is ever run: `auto_map` and pickled weights are not looked at.  An artefact
// carries such a folder's files, its weights or none (docs/artefact.md).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_MODELFOLDER_H
#define LATHE_RUNTIME_FORMATS_MODELFOLDER_H

#include "runtime/formats/FileList.h"
#include "runtime/formats/Safetensors.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/JsonReader.h"
#include "runtime/support/MappedFile.h"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace lathe {

/// What is in a file of a folder; the folder outlives it.
struct FolderFile {
  std::span<const uint8_t> Bytes;
  std::unique_ptr<MappedFile> Mapping; ///< Null where somebody else has the bytes.

  std::string_view text() const {
    return {reinterpret_cast<const char *>(Bytes.data()), Bytes.size()};
  }
};

class ModelFolder {
public:
  static constexpr std::string_view WeightsName = "model.safetensors";

  /// Whether `Path` is a folder.
  static bool matches(const std::string &Path);

  /// Opens configuration and weights.  Null on error, all told: E0350 a file is
  /// missing, E0351 the configuration is no JSON object, E0323 the weights are in
  /// several files, and those of SafetensorsFile::open.
  static std::unique_ptr<ModelFolder> open(const std::string &Path, Diagnostics &Diags);

  /// A folder whose `Files` are kept by `Owner`.  Where `Weights` are a header alone, `Hash`
  /// is its contentHash; else it is empty.  Null with E0350 and E0351 when there is no sound
  /// configuration.
  static std::unique_ptr<ModelFolder> fromFiles(std::string Path, FileList Files,
                                                std::shared_ptr<const void> Owner,
                                                std::unique_ptr<SafetensorsFile> Weights,
                                                std::string Hash, Diagnostics &Diags);

  /// As it was given, without a slash at its end.
  const std::string &path() const { return Path; }
  /// An object.
  JsonValue config() const { return Config->root(); }
  std::string configPath() const { return pathOf(ConfigName); }
  /// The value of `model_type`; empty when there is none.
  std::string_view modelType() const { return config()["model_type"].text().value_or(""); }
  const SafetensorsFile &weights() const { return *Weights; }

  /// All that a program made of the folder depends on: its configuration and the
  /// header of its weights, one behind the other.
  std::vector<uint8_t> headerBytes() const;
  /// Of the configuration, of the header of the weights and of the beginning of every tensor,
  /// in hexadecimal: whatever trains a model further changes it.
  std::string contentHash() const;

  /// The path of a file in the folder, which need not exist.
  std::string pathOf(std::string_view Name) const { return Path + "/" + std::string(Name); }
  bool has(std::string_view Name) const;
  /// The file of that name; nullopt without an error when there is none, and with those of
  /// MappedFile::open when it cannot be read.
  std::optional<FolderFile> read(std::string_view Name, Diagnostics &Diags) const;
  /// The names of all files that were read so far, but for the weights.
  const std::set<std::string> &filesRead() const { return Read; }
  /// What stands in the file of that name; nullopt as of `read`, and with E0351.
  std::optional<JsonDocument> readJson(std::string_view Name, Diagnostics &Diags) const;

private:
  ModelFolder() = default;
  bool openConfig(Diagnostics &Diags);
  bool openWeights(Diagnostics &Diags);

  static constexpr std::string_view ConfigName = "config.json";

  std::string Path;
  std::optional<FileList> Carried; ///< None: they are on the disk.
  std::shared_ptr<const void> Owner;
  std::string Hash; ///< Where it cannot be computed; else empty.
  mutable std::set<std::string> Read;
  FolderFile ConfigFile;
  std::optional<JsonDocument> Config;
  std::unique_ptr<SafetensorsFile> Weights;
};

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_MODELFOLDER_H
