//===- EncoderFolder.cpp - How a folder's vectors are made ----------------===//

#include "runtime/session/Encoder.h"

#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;

/// The folder of a module must be one below, by its name alone.
static bool isPlainName(std::string_view Name) {
  return !Name.empty() && Name != "." && Name != ".." && Name.find('/') == std::string_view::npos &&
         Name.find('\0') == std::string_view::npos;
}

/// "1_Pooling/config.json": one mode is true.
static bool readPooling(const ModelFolder &Folder, std::string_view Module, Pooling &Pool,
                        Diagnostics &Diags) {
  std::string Name = std::string(Module) + "/config.json";
  std::optional<JsonDocument> Document =
      isPlainName(Module) ? Folder.readJson(Name, Diags) : std::nullopt;
  if (!Document)
    return !Diags.hasErrors();
  std::string Modes;
  constexpr std::string_view Prefix = "pooling_mode_";
  for (auto [Key, Value] : Document->root().members())
    if (Key.starts_with(Prefix) && Value.boolean().value_or(false))
      Modes += (Modes.empty() ? "" : ", ") + std::string(Key.substr(Prefix.size()));
  // A newer form names the mode.
  if (auto Mode = Document->root()["pooling_mode"].text())
    Modes = *Mode;
  bool Mean = Modes == "mean_tokens" || Modes == "mean";
  if (!Mean && Modes != "cls_token" && Modes != "cls") {
    Diags.error(401, Folder.pathOf(Name), "pooling by " + quoted(Modes) + " is not supported",
                "supported: mean_tokens, cls_token");
    return false;
  }
  Pool = Mean ? Pooling::Mean : Pooling::First;
  return true;
}

bool EncoderFacts::read(const ModelFolder &Folder, Diagnostics &Diags) {
  MaxTokens = Folder.config()["max_position_embeddings"].integer().value_or(0);
  std::optional<JsonDocument> Modules = Folder.readJson("modules.json", Diags);
  auto Listed = Modules ? Modules->root().elements() : std::nullopt;
  for (JsonValue Each : Listed ? *Listed : std::vector<JsonValue>()) {
    std::string_view Type = Each["type"].text().value_or("");
    if (Type.ends_with(".Normalize"))
      Normalize = true;
    if (Type.ends_with(".Pooling") &&
        !readPooling(Folder, Each["path"].text().value_or(""), Pool, Diags))
      return false;
  }
  std::optional<JsonDocument> Limits = Folder.readJson("sentence_bert_config.json", Diags);
  int64_t Own = Limits ? Limits->root()["max_seq_length"].integer().value_or(0) : 0;
  if (Own > 0)
    MaxTokens = MaxTokens > 0 ? std::min(MaxTokens, Own) : Own;
  return !Diags.hasErrors();
}
