//===- JsonReader.h - Values of a JSON text ---------------------*- C++ -*-===//
//
// RFC 8259, over nlohmann/json.  Members that are missing are values like any other:
// every question to them has no answer.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_JSONREADER_H
#define LATHE_RUNTIME_SUPPORT_JSONREADER_H

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace lathe {

/// A view; the document must outlive it.
class JsonValue {
public:
  JsonValue() = default;
  explicit JsonValue(const nlohmann::ordered_json *Raw) : Raw(Raw) {}

  /// Whether it is there.
  explicit operator bool() const { return Raw != nullptr; }
  bool isObject() const;

  /// A member of an object; of anything else none is there.
  JsonValue operator[](const char *Key) const;

  std::optional<int64_t> integer() const;
  std::optional<double> number() const; ///< Integers too.
  std::optional<bool> boolean() const;
  std::optional<std::string_view> text() const;
  /// Of an array.
  std::optional<std::vector<JsonValue>> elements() const;
  /// Of an object, in the order of the text; empty for anything else.
  std::vector<std::pair<std::string_view, JsonValue>> members() const;

  /// As text, without blanks.
  std::string str() const;

private:
  const nlohmann::ordered_json *Raw = nullptr;
};

class JsonDocument {
public:
  /// Nullopt when `Text` is no JSON, nests deeper than 64 levels, or holds a number
  /// that is not finite.
  static std::optional<JsonDocument> parse(std::string_view Text);
  ~JsonDocument();
  JsonDocument(JsonDocument &&);

  JsonValue root() const { return JsonValue(Root.get()); }

private:
  explicit JsonDocument(std::unique_ptr<nlohmann::ordered_json> Root);

  std::unique_ptr<nlohmann::ordered_json> Root;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_JSONREADER_H
