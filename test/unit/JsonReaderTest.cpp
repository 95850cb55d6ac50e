//===- JsonReaderTest.cpp - Values of a JSON text -------------------------===//

#include "runtime/support/JsonReader.h"

#include <gtest/gtest.h>

using namespace lathe;

namespace {

JsonDocument read(std::string_view Text) {
  std::optional<JsonDocument> Parsed = JsonDocument::parse(Text);
  EXPECT_TRUE(Parsed) << Text;
  return Parsed ? std::move(*Parsed) : std::move(*JsonDocument::parse("null"));
}

TEST(JsonReader, GivesValuesAsWhatTheyAre) {
  JsonDocument Text = read(R"({"b": true, "i": -3, "d": 2.5, "t": "\u00e4\n", "l": [1, "x"]})");
  JsonValue Root = Text.root();
  EXPECT_TRUE(Root.isObject());
  EXPECT_EQ(Root["b"].boolean(), true);
  EXPECT_EQ(Root["i"].integer(), -3);
  EXPECT_EQ(Root["i"].number(), -3.0);
  EXPECT_EQ(Root["d"].number(), 2.5);
  EXPECT_EQ(Root["t"].text(), "\xc3\xa4\n");
  ASSERT_TRUE(Root["l"].elements());
  EXPECT_EQ(Root["l"].elements()->size(), 2u);
  EXPECT_EQ(Root["l"].str(), "[1,\"x\"]");
  // In the order of the text.
  EXPECT_EQ(Root.members().front().first, "b");
  EXPECT_EQ(Root.members().back().first, "l");
}

TEST(JsonReader, GivesNothingForAnythingElse) {
  JsonDocument Text = read(R"({"d": 2.5, "t": "1", "big": 18446744073709551615})");
  JsonValue Root = Text.root();
  EXPECT_FALSE(Root["none"]);
  EXPECT_FALSE(Root["none"]["deeper"].text());
  EXPECT_FALSE(Root["d"].integer());
  EXPECT_FALSE(Root["t"].integer());
  EXPECT_FALSE(Root["t"].number());
  EXPECT_FALSE(Root["big"].integer());
  EXPECT_FALSE(Root["t"].elements());
  EXPECT_TRUE(Root["t"].members().empty());
  EXPECT_FALSE(Root.text());
}

TEST(JsonReader, RefusesWhatIsNoJSON) {
  for (std::string Text :
       {"", "{", "{} {}", "{'a': 1}", "[1,]", "nan", "[1e400]", "\"\xff\"", "01"})
    EXPECT_FALSE(JsonDocument::parse(Text)) << Text;
}

// Brackets inside a text do not nest.
TEST(JsonReader, BoundsTheDepth) {
  auto Nested = [](size_t Depth) { return std::string(Depth, '[') + std::string(Depth, ']'); };
  EXPECT_TRUE(JsonDocument::parse(Nested(64)));
  EXPECT_FALSE(JsonDocument::parse(Nested(65)));
  EXPECT_FALSE(JsonDocument::parse(std::string(1'000'000, '{')));
  EXPECT_TRUE(JsonDocument::parse("\"\\\"" + std::string(1000, '[') + "\""));
}

} // namespace
