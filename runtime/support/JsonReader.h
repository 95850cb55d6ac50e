//===- JsonReader.h - Values of a JSON text ---------------------*- C++ -*-===//
//
// RFC 8259, read by nlohmann/json into a tree that takes time and memory in proportion
// to the text, whatever it says, and keeps members that stand twice.  Members that are
// missing are values like any other: every question to them has no answer.
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

namespace lathe {

struct JsonTree;

/// A view; the document must outlive it, and so must what it gives, the texts too.
class JsonValue {
public:
  JsonValue() = default;
  JsonValue(const JsonTree &Tree, uint32_t Index) : Tree(&Tree), Index(Index) {}

  /// Whether it is there.
  explicit operator bool() const { return Tree != nullptr; }
  bool isObject() const;

  /// The first member of an object with this name, in time proportional to the number
  /// of its members; of anything else none is there.
  JsonValue operator[](std::string_view Key) const;

  /// Numbers without point and exponent, where the type can hold them.
  std::optional<int64_t> integer() const;
  std::optional<uint64_t> unsignedInteger() const;
  std::optional<double> number() const; ///< Integers too.
  std::optional<bool> boolean() const;
  std::optional<std::string_view> text() const;
  /// How many elements an array or members an object has; 0 for anything else.
  size_t size() const;
  /// Of an array.
  std::optional<std::vector<JsonValue>> elements() const;
  /// Of an object, in the order of the text, each time that a name stands there; empty
  /// for anything else.
  std::vector<std::pair<std::string_view, JsonValue>> members() const;

  /// As text, without blanks.
  std::string str() const;

private:
  const JsonTree *Tree = nullptr;
  uint32_t Index = 0;
};

class JsonDocument {
public:
  static constexpr size_t DefaultDepth = 64;

  /// Nullopt when `Text` is no JSON, nests arrays and objects deeper than `MaxDepth`
  /// levels, holds a number that is not finite, or has 4 GiB; then `Why`, if given,
  /// says which.
  static std::optional<JsonDocument> parse(std::string_view Text, size_t MaxDepth = DefaultDepth,
                                           std::string *Why = nullptr);
  ~JsonDocument();
  JsonDocument(JsonDocument &&);

  JsonValue root() const { return JsonValue(*Tree, 0); }

private:
  explicit JsonDocument(std::unique_ptr<const JsonTree> Tree);

  std::unique_ptr<const JsonTree> Tree;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_JSONREADER_H
