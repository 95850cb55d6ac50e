//===- About.cpp - What an artefact says of itself ------------------------===//

#include "lathe/abi.h"
#include "runtime/session/CompiledModel.h"
#include "runtime/support/JsonReader.h"
#include "runtime/support/Limits.h"

namespace lathe {

/// No sound text comes near it; it bounds what a broken one can cost.
static constexpr size_t MaxAboutBytes = size_t(1) << 20;

/// A JSON string.  The texts are names of ours: printable ASCII.
static std::string jsonString(std::string_view Text) {
  std::string Result = "\"";
  for (char C : Text) {
    if (C == '"' || C == '\\')
      Result += '\\';
    Result += C;
  }
  return Result + "\"";
}

std::string aboutText(const CompiledSource &Source, std::span<const std::string> Targets,
                      std::string_view Compiler, std::string_view Precision) {
  std::string Names;
  for (const std::string &Each : Targets)
    Names += (Names.empty() ? "" : ", ") + jsonString(Each);
  return "{\"abi\": " + std::to_string(LATHE_ABI_VERSION) +
         ", \"compiler\": " + jsonString(Compiler) + ", \"targets\": [" + Names +
         "], \"precision\": " + jsonString(Precision) +
         ", \"model\": {\"bytes\": " + std::to_string(Source.FileBytes) +
         ", \"header_hash\": " + jsonString(Source.HeaderHash) +
         (Source.ContentHash.empty() ? ""
                                     : ", \"content_hash\": " + jsonString(Source.ContentHash)) +
         "}}\n";
}

bool readAbout(std::string_view Text, const std::string &Where, CompiledSource &Source,
               Diagnostics &Diags) {
  auto Malformed = [&](const std::string &Message) {
    Diags.error(645, Where + ": about", Message, "the file is damaged; compile the model again");
    return false;
  };
  if (Text.size() > MaxAboutBytes)
    return Malformed("has " + std::to_string(Text.size()) + " bytes, expected at most " +
                     std::to_string(MaxAboutBytes));
  std::optional<JsonDocument> Parsed = JsonDocument::parse(Text);
  if (!Parsed)
    return Malformed("not a JSON object");
  JsonValue Model = Parsed->root()["model"];
  std::optional<int64_t> Bytes = Model["bytes"].integer();
  std::optional<std::string_view> Hash = Model["header_hash"].text();
  if (!Bytes || !Hash)
    return Malformed("expected an object 'model' with 'bytes' and 'header_hash'");
  if (*Bytes < 0 || static_cast<uint64_t>(*Bytes) > limits::MaxFileBytes)
    return Malformed("model.bytes: found " + std::to_string(*Bytes) + ", expected 0 to " +
                     std::to_string(limits::MaxFileBytes));
  Source.FileBytes = static_cast<uint64_t>(*Bytes);
  Source.HeaderHash = *Hash;
  Source.ContentHash = Model["content_hash"].text().value_or("");
  return true;
}

} // namespace lathe
