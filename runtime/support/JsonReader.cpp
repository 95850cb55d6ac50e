//===- JsonReader.cpp - Values of a JSON text -----------------------------===//

#include "runtime/support/JsonReader.h"

#include <nlohmann/json.hpp>

namespace lathe {

using Json = nlohmann::ordered_json;

/// Printing a value calls itself for every level; this bounds its stack.
static constexpr int MaxDepth = 64;

static bool nestsTooDeeply(std::string_view Text) {
  int Depth = 0;
  bool InString = false;
  for (size_t I = 0; I < Text.size(); ++I) {
    char C = Text[I];
    if (InString && C == '\\')
      ++I;
    else if (C == '"')
      InString = !InString;
    else if (!InString && (C == '[' || C == '{') && ++Depth > MaxDepth)
      return true;
    else if (!InString && (C == ']' || C == '}'))
      --Depth;
  }
  return false;
}

JsonDocument::JsonDocument(std::unique_ptr<Json> Root) : Root(std::move(Root)) {}
JsonDocument::JsonDocument(JsonDocument &&) = default;
JsonDocument::~JsonDocument() = default;

std::optional<JsonDocument> JsonDocument::parse(std::string_view Text) {
  if (nestsTooDeeply(Text))
    return std::nullopt;
  auto Root = std::make_unique<Json>(
      Json::parse(Text.begin(), Text.end(), nullptr, /*allow_exceptions=*/false));
  return Root->is_discarded() ? std::nullopt : std::optional(JsonDocument(std::move(Root)));
}

bool JsonValue::isObject() const { return Raw && Raw->is_object(); }

JsonValue JsonValue::operator[](const char *Key) const {
  if (!isObject())
    return {};
  auto Found = Raw->find(Key);
  return Found == Raw->end() ? JsonValue() : JsonValue(&*Found);
}

std::optional<int64_t> JsonValue::integer() const {
  if (!Raw || !Raw->is_number_integer())
    return std::nullopt;
  // Those that are too large for the type are kept as unsigned.
  auto Value = Raw->get<int64_t>();
  return Value < 0 && Raw->is_number_unsigned() ? std::nullopt : std::optional(Value);
}

std::optional<double> JsonValue::number() const {
  return Raw && Raw->is_number() ? std::optional(Raw->get<double>()) : std::nullopt;
}

std::optional<bool> JsonValue::boolean() const {
  return Raw && Raw->is_boolean() ? std::optional(Raw->get<bool>()) : std::nullopt;
}

std::optional<std::string_view> JsonValue::text() const {
  if (!Raw || !Raw->is_string())
    return std::nullopt;
  return std::string_view(Raw->get_ref<const std::string &>());
}

std::optional<std::vector<JsonValue>> JsonValue::elements() const {
  if (!Raw || !Raw->is_array())
    return std::nullopt;
  std::vector<JsonValue> List;
  for (const Json &Each : *Raw)
    List.emplace_back(&Each);
  return List;
}

std::vector<std::pair<std::string_view, JsonValue>> JsonValue::members() const {
  std::vector<std::pair<std::string_view, JsonValue>> List;
  if (isObject())
    for (auto At = Raw->begin(); At != Raw->end(); ++At)
      List.emplace_back(At.key(), JsonValue(&*At));
  return List;
}

std::string JsonValue::str() const { return Raw ? Raw->dump() : ""; }

} // namespace lathe
