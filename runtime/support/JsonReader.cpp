//===- JsonReader.cpp - Values of a JSON text -----------------------------===//

#include "runtime/support/JsonReader.h"

#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

namespace lathe {

namespace {

using Json = nlohmann::json;

enum class Kind : uint32_t { Null, Boolean, Signed, Unsigned, Double, Text, Array, Object };

/// Bytes of the tree's texts.
struct Slice {
  uint32_t Begin, Size;
};

/// 24 bytes, for a hostile text can make a node of every second byte.
struct Node {
  Kind Type = Kind::Null;
  uint32_t End = 0; ///< The first node behind this one and what it holds.
  Slice Key = {};   ///< Of a member.
  union {
    bool Boolean;
    int64_t Signed;
    uint64_t Unsigned = 0;
    double Double;
    Slice Text;
  };
};
static_assert(sizeof(Node) == 24);

} // namespace

/// In the order of the text, each node before what it holds.
struct JsonTree {
  std::string_view text(Slice Where) const {
    return std::string_view(Texts).substr(Where.Begin, Where.Size);
  }

  /// Calls Do(index) for what a node holds, until it returns false.
  template <typename Callable> void forEach(uint32_t Parent, Callable Do) const {
    for (uint32_t I = Parent + 1; I != Nodes[Parent].End; I = Nodes[I].End)
      if (!Do(I))
        return;
  }

  /// How many nodes it holds.
  size_t size(uint32_t Parent) const {
    size_t Count = 0;
    forEach(Parent, [&](uint32_t) { return ++Count, true; });
    return Count;
  }

  void print(uint32_t Index, std::string &Into) const;
  void printAll(uint32_t Index, std::string &Into) const;

  std::vector<Node> Nodes;
  std::string Texts;
};

namespace {

/// Gets a text's parts one by one; false ends the reading.  The library gives the names.
class TreeBuilder {
public:
  TreeBuilder(JsonTree &Tree, size_t MaxDepth) : Tree(Tree), MaxDepth(MaxDepth) {}

  std::string Why;

  bool null() { return add(Kind::Null), true; }
  bool boolean(bool Value) { return add(Kind::Boolean).Boolean = Value, true; }
  bool number_integer(int64_t Value) { return add(Kind::Signed).Signed = Value, true; }
  bool number_unsigned(uint64_t Value) { return add(Kind::Unsigned).Unsigned = Value, true; }
  bool number_float(double Value, const std::string &) {
    return add(Kind::Double).Double = Value, true;
  }
  bool string(std::string &Value) { return add(Kind::Text).Text = keep(Value), true; }
  bool binary(Json::binary_t &) { return false; } // Of other formats.
  bool key(std::string &Value) { return Key = keep(Value), true; }
  bool start_object(size_t) { return open(Kind::Object); }
  bool end_object() { return close(); }
  bool start_array(size_t) { return open(Kind::Array); }
  bool end_array() { return close(); }
  bool parse_error(size_t Position, const std::string &, const Json::exception &Error) {
    constexpr int NotFinite = 406;
    Why = Error.id == NotFinite ? "number too large for a double" : "syntax error";
    Why += " at byte " + std::to_string(Position);
    return false;
  }

private:
  Node &add(Kind Type) {
    Node &Added = Tree.Nodes.emplace_back();
    Added.Type = Type;
    Added.End = static_cast<uint32_t>(Tree.Nodes.size());
    Added.Key = std::exchange(Key, {});
    return Added;
  }

  Slice keep(const std::string &Text) {
    Slice Kept = {static_cast<uint32_t>(Tree.Texts.size()), static_cast<uint32_t>(Text.size())};
    Tree.Texts += Text;
    return Kept;
  }

  bool open(Kind Type) {
    if (Open.size() == MaxDepth) {
      Why = "nests deeper than " + std::to_string(MaxDepth) + " levels";
      return false;
    }
    Open.push_back(static_cast<uint32_t>(Tree.Nodes.size()));
    return add(Type), true;
  }

  bool close() {
    Tree.Nodes[Open.back()].End = static_cast<uint32_t>(Tree.Nodes.size());
    return Open.pop_back(), true;
  }

  JsonTree &Tree;
  size_t MaxDepth;
  std::vector<uint32_t> Open;
  Slice Key = {};
};

} // namespace

JsonDocument::JsonDocument(std::unique_ptr<const JsonTree> Tree) : Tree(std::move(Tree)) {}
JsonDocument::JsonDocument(JsonDocument &&) = default;
JsonDocument::~JsonDocument() = default;

std::optional<JsonDocument> JsonDocument::parse(std::string_view Text, size_t MaxDepth,
                                                std::string *Why) {
  auto Tree = std::make_unique<JsonTree>();
  TreeBuilder Builder(*Tree, MaxDepth);
  // A text has more bytes than nodes, and than bytes in its strings: positions fit.
  bool Fits = Text.size() <= std::numeric_limits<uint32_t>::max();
  if (Fits && Json::sax_parse(Text.begin(), Text.end(), &Builder))
    return JsonDocument(std::move(Tree));
  if (Why)
    *Why = Fits ? Builder.Why : "has 4 GiB or more";
  return std::nullopt;
}

/// The value's node if it is of this type.
static const Node *nodeOf(const JsonTree *Tree, uint32_t Index, Kind Type) {
  return Tree && Tree->Nodes[Index].Type == Type ? &Tree->Nodes[Index] : nullptr;
}

bool JsonValue::isObject() const { return nodeOf(Tree, Index, Kind::Object); }

JsonValue JsonValue::operator[](std::string_view Key) const {
  JsonValue Found;
  if (isObject())
    Tree->forEach(Index, [&](uint32_t I) {
      if (Tree->text(Tree->Nodes[I].Key) == Key)
        Found = JsonValue(*Tree, I);
      return !Found;
    });
  return Found;
}

std::optional<int64_t> JsonValue::integer() const {
  if (const Node *Found = nodeOf(Tree, Index, Kind::Signed))
    return Found->Signed;
  const Node *Found = nodeOf(Tree, Index, Kind::Unsigned);
  return Found && std::in_range<int64_t>(Found->Unsigned)
             ? std::optional(static_cast<int64_t>(Found->Unsigned))
             : std::nullopt;
}

std::optional<uint64_t> JsonValue::unsignedInteger() const {
  if (const Node *Found = nodeOf(Tree, Index, Kind::Unsigned))
    return Found->Unsigned;
  // -0 is one, too.
  const Node *Found = nodeOf(Tree, Index, Kind::Signed);
  return Found && Found->Signed >= 0 ? std::optional(static_cast<uint64_t>(Found->Signed))
                                     : std::nullopt;
}

std::optional<double> JsonValue::number() const {
  if (const Node *Found = nodeOf(Tree, Index, Kind::Double))
    return Found->Double;
  if (const Node *Found = nodeOf(Tree, Index, Kind::Unsigned))
    return static_cast<double>(Found->Unsigned);
  const Node *Found = nodeOf(Tree, Index, Kind::Signed);
  return Found ? std::optional(static_cast<double>(Found->Signed)) : std::nullopt;
}

std::optional<bool> JsonValue::boolean() const {
  const Node *Found = nodeOf(Tree, Index, Kind::Boolean);
  return Found ? std::optional(Found->Boolean) : std::nullopt;
}

std::optional<std::string_view> JsonValue::text() const {
  const Node *Found = nodeOf(Tree, Index, Kind::Text);
  return Found ? std::optional(Tree->text(Found->Text)) : std::nullopt;
}

size_t JsonValue::size() const { return Tree ? Tree->size(Index) : 0; }

std::optional<std::vector<JsonValue>> JsonValue::elements() const {
  if (!nodeOf(Tree, Index, Kind::Array))
    return std::nullopt;
  std::vector<JsonValue> List;
  List.reserve(Tree->size(Index));
  Tree->forEach(Index, [&](uint32_t I) { return List.emplace_back(*Tree, I), true; });
  return List;
}

std::vector<std::pair<std::string_view, JsonValue>> JsonValue::members() const {
  std::vector<std::pair<std::string_view, JsonValue>> List;
  if (!isObject())
    return List;
  List.reserve(Tree->size(Index));
  Tree->forEach(Index, [&](uint32_t I) {
    List.emplace_back(Tree->text(Tree->Nodes[I].Key), JsonValue(*Tree, I));
    return true;
  });
  return List;
}

/// Its depth is that of the text, which is bounded.
void JsonTree::print(uint32_t Index, std::string &Into) const {
  const Node &Printed = Nodes[Index];
  switch (Printed.Type) {
  case Kind::Null:
    Into += "null";
    break;
  case Kind::Boolean:
    Into += Printed.Boolean ? "true" : "false";
    break;
  case Kind::Signed:
    Into += std::to_string(Printed.Signed);
    break;
  case Kind::Unsigned:
    Into += std::to_string(Printed.Unsigned);
    break;
  case Kind::Double:
    Into += Json(Printed.Double).dump();
    break;
  case Kind::Text:
    Into += Json(text(Printed.Text)).dump();
    break;
  case Kind::Array:
  case Kind::Object:
    printAll(Index, Into);
    break;
  }
}

void JsonTree::printAll(uint32_t Index, std::string &Into) const {
  bool Named = Nodes[Index].Type == Kind::Object;
  Into += Named ? '{' : '[';
  forEach(Index, [&](uint32_t I) {
    if (I != Index + 1)
      Into += ',';
    if (Named)
      Into += Json(text(Nodes[I].Key)).dump() + ":";
    print(I, Into);
    return true;
  });
  Into += Named ? '}' : ']';
}

std::string JsonValue::str() const {
  std::string Text;
  if (Tree)
    Tree->print(Index, Text);
  return Text;
}

} // namespace lathe
