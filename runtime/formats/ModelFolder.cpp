//===- ModelFolder.cpp - A model in the form of Hugging Face --------------===//

#include "runtime/formats/ModelFolder.h"

#include "runtime/support/Text.h"

#include <sys/stat.h>
#include <unistd.h>

using namespace lathe;

bool ModelFolder::matches(const std::string &Path) {
  struct stat Found;
  return stat(Path.c_str(), &Found) == 0 && S_ISDIR(Found.st_mode);
}

bool ModelFolder::has(std::string_view Name) const {
  return access(pathOf(Name).c_str(), F_OK) == 0;
}

static std::optional<JsonDocument> parse(const MappedFile &File, Diagnostics &Diags) {
  std::string_view Text(reinterpret_cast<const char *>(File.bytes().data()), File.bytes().size());
  std::string Why;
  std::optional<JsonDocument> Document =
      JsonDocument::parse(Text, JsonDocument::DefaultDepth, &Why);
  if (!Document)
    Diags.error(351, File.path(), "found no JSON: " + Why, "fetch the model again");
  return Document;
}

std::optional<JsonDocument> ModelFolder::readJson(std::string_view Name, Diagnostics &Diags) const {
  if (!has(Name))
    return std::nullopt;
  std::unique_ptr<MappedFile> File = MappedFile::open(pathOf(Name), Diags);
  return File ? parse(*File, Diags) : std::nullopt;
}

bool ModelFolder::openConfig(Diagnostics &Diags) {
  if (!has("config.json")) {
    Diags.error(350, Path, "found no 'config.json'",
                "a model folder has config.json, model.safetensors and the files of a tokenizer");
    return false;
  }
  ConfigFile = MappedFile::open(pathOf("config.json"), Diags);
  std::optional<JsonDocument> Parsed = ConfigFile ? parse(*ConfigFile, Diags) : std::nullopt;
  if (!Parsed)
    return false;
  Config.emplace(std::move(*Parsed));
  if (!Config->root().isObject())
    Diags.error(351, ConfigFile->path(), "found JSON that is no object", "fetch the model again");
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

std::vector<uint8_t> ModelFolder::headerBytes() const {
  std::span<const uint8_t> Own = ConfigFile->bytes(), Header = Weights->headerBytes();
  std::vector<uint8_t> All(Own.begin(), Own.end());
  All.insert(All.end(), Header.begin(), Header.end());
  return All;
}
