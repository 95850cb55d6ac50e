//===- Json.h - Writes JSON -------------------------------------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_JSON_H
#define LATHE_TOOLS_LATHE_JSON_H

#include <cstdint>
#include <string>
#include <string_view>

namespace lathe::cli {

/// Builds one JSON text (RFC 8259), indented by two blanks.  The caller keeps
/// begins, ends and keys in order.  Strings may hold any bytes: what is not
/// UTF-8 becomes U+FFFD.
class JsonWriter {
public:
  JsonWriter &beginObject() { return open('{'); }
  JsonWriter &endObject() { return close('}'); }
  JsonWriter &beginArray() { return open('['); }
  JsonWriter &endArray() { return close(']'); }
  JsonWriter &key(std::string_view Name);

  JsonWriter &value(std::string_view Text);
  JsonWriter &value(const char *Text) { return value(std::string_view(Text)); }
  JsonWriter &value(const std::string &Text) { return value(std::string_view(Text)); }
  JsonWriter &value(bool Truth) { return literal(Truth ? "true" : "false"); }
  JsonWriter &value(int64_t Number) { return literal(std::to_string(Number)); }
  JsonWriter &value(uint64_t Number) { return literal(std::to_string(Number)); }
  JsonWriter &value(int Number) { return value(static_cast<int64_t>(Number)); }
  /// The shortest digits that read back as the same number; null when it is
  /// not finite.
  JsonWriter &value(double Number) { return floating(Number); }
  JsonWriter &value(float Number) { return floating(Number); }
  JsonWriter &null() { return literal("null"); }

  template <typename T> JsonWriter &field(std::string_view Name, const T &Value) {
    return key(Name).value(Value);
  }

  /// The text so far, with a newline at the end.
  std::string take() { return std::move(Text) + "\n"; }

private:
  JsonWriter &open(char Bracket);
  JsonWriter &close(char Bracket);
  JsonWriter &literal(std::string_view Word);
  template <typename T> JsonWriter &floating(T Number);
  void startItem();
  void newLine();
  void appendString(std::string_view Bytes);

  std::string Text;
  unsigned Depth = 0;
  bool First = true;     ///< Nothing stands in the innermost bracket yet.
  bool AfterKey = false; ///< The value belongs on the key's line.
};

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_JSON_H
