//===- ModelFolder.cpp - A model in the form of Hugging Face --------------===//

#include "runtime/formats/ModelFolder.h"

#include "runtime/support/Text.h"
#include "runtime/workers/BlockHash.h"

#include <algorithm>

#include <sys/stat.h>
#include <unistd.h>

using namespace lathe;

bool ModelFolder::matches(const std::string &Path) {
  struct stat Found;
  return stat(Path.c_str(), &Found) == 0 && S_ISDIR(Found.st_mode);
}

bool ModelFolder::has(std::string_view Name) const {
  return Carried ? Carried->contains(Name) : access(pathOf(Name).c_str(), F_OK) == 0;
}

std::optional<FolderFile> ModelFolder::read(std::string_view Name, Diagnostics &Diags) const {
  if (!has(Name))
    return std::nullopt;
  Read.emplace(Name);
  if (Carried)
    return FolderFile{Carried->find(Name)->second, nullptr};
  FolderFile File;
  File.Mapping = MappedFile::open(pathOf(Name), Diags);
  if (!File.Mapping)
    return std::nullopt;
  File.Bytes = File.Mapping->bytes();
  return File;
}

static std::optional<JsonDocument> parse(const FolderFile &File, const std::string &Path,
                                         Diagnostics &Diags) {
  std::string Why;
  std::optional<JsonDocument> Document =
      JsonDocument::parse(File.text(), JsonDocument::DefaultDepth, &Why);
  if (!Document)
    Diags.error(351, Path, "found no JSON: " + Why, "fetch the model again");
  return Document;
}

std::optional<JsonDocument> ModelFolder::readJson(std::string_view Name, Diagnostics &Diags) const {
  std::optional<FolderFile> File = read(Name, Diags);
  return File ? parse(*File, pathOf(Name), Diags) : std::nullopt;
}

bool ModelFolder::openConfig(Diagnostics &Diags) {
  if (!has(ConfigName)) {
    Diags.error(350, Path, "found no 'config.json'",
                "a model folder has config.json, model.safetensors and the files of a tokenizer");
    return false;
  }
  std::optional<FolderFile> Found = read(ConfigName, Diags);
  std::optional<JsonDocument> Parsed = Found ? parse(*Found, configPath(), Diags) : std::nullopt;
  if (!Parsed)
    return false;
  ConfigFile = std::move(*Found);
  Config.emplace(std::move(*Parsed));
  if (!Config->root().isObject())
    Diags.error(351, configPath(), "found JSON that is no object", "fetch the model again");
  return Config->root().isObject();
}

bool ModelFolder::openWeights(Diagnostics &Diags) {
  if (has(WeightsName)) {
    Weights = SafetensorsFile::open(pathOf(WeightsName), Diags);
    return Weights != nullptr;
  }
  if (has("model.safetensors.index.json")) {
    Diags.error(323, Path, "found weights in several files, expected one, model.safetensors",
                "load and save the model with transformers, with a greater max_shard_size");
    return false;
  }
  bool Pickled = has("pytorch_model.bin");
  Diags.error(350, Path, "found no 'model.safetensors'",
              Pickled ? "pytorch_model.bin may run code when it is read: save the model again with "
                        "transformers, which writes safetensors"
                      : "fetch the model again, with its weights");
  return false;
}

std::unique_ptr<ModelFolder> ModelFolder::open(const std::string &Path, Diagnostics &Diags) {
  std::unique_ptr<ModelFolder> Result(new ModelFolder);
  Result->Path = Path;
  while (Result->Path.size() > 1 && Result->Path.ends_with('/'))
    Result->Path.pop_back();
  bool Configured = Result->openConfig(Diags), Opened = Result->openWeights(Diags);
  return Configured && Opened ? std::move(Result) : nullptr;
}

std::unique_ptr<ModelFolder> ModelFolder::fromFiles(std::string Path, FileList Files,
                                                    std::shared_ptr<const void> Owner,
                                                    std::unique_ptr<SafetensorsFile> Weights,
                                                    std::string Hash, Diagnostics &Diags) {
  std::unique_ptr<ModelFolder> Result(new ModelFolder);
  Result->Path = std::move(Path);
  Result->Carried = std::move(Files);
  Result->Owner = std::move(Owner);
  Result->Weights = std::move(Weights);
  Result->Hash = std::move(Hash);
  return Result->openConfig(Diags) ? std::move(Result) : nullptr;
}

std::string ModelFolder::contentHash() const {
  if (!Hash.empty())
    return Hash;
  constexpr size_t Most = 4096; // Of a tensor.
  std::vector<uint8_t> Bytes = headerBytes();
  for (const SafetensorsTensor &Each : Weights->tensors()) {
    std::span<const uint8_t> Data = Weights->data(Each);
    Data = Data.first(std::min(Data.size(), Most));
    Bytes.insert(Bytes.end(), Data.begin(), Data.end());
  }
  return hexText(hashBlocks(Bytes));
}

std::vector<uint8_t> ModelFolder::headerBytes() const {
  std::span<const uint8_t> Own = ConfigFile.Bytes, Header = Weights->headerBytes();
  std::vector<uint8_t> All(Own.begin(), Own.end());
  All.insert(All.end(), Header.begin(), Header.end());
  return All;
}
