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

// A member that stands twice is there twice; asked by name, the first answers.
TEST(JsonReader, KeepsMembersThatStandTwice) {
  JsonDocument Text = read(R"({"a": 1, "b": {"a": [2]}, "a": "three", "": 4, "a\u0000": 5})");
  JsonValue Root = Text.root();
  std::vector<std::pair<std::string_view, JsonValue>> Members = Root.members();
  ASSERT_EQ(Members.size(), 5u);
  EXPECT_EQ(Members[0].first, "a");
  EXPECT_EQ(Members[0].second.integer(), 1);
  EXPECT_EQ(Members[1].second.members().size(), 1u);
  EXPECT_EQ(Members[2].first, "a");
  EXPECT_EQ(Members[2].second.text(), "three");
  EXPECT_EQ(Root["a"].integer(), 1);
  EXPECT_EQ(Root[""].integer(), 4);
  EXPECT_EQ(Root[std::string_view("a\0", 2)].integer(), 5);
  EXPECT_EQ(Root.str(), R"({"a":1,"b":{"a":[2]},"a":"three","":4,"a\u0000":5})");
}

TEST(JsonReader, StepsOverWhatAMemberHolds) {
  JsonDocument Text = read(R"([{}, [], {"x": [[{"y": 1}], 2]}, null, [false, [true]]])");
  std::vector<JsonValue> Elements = *Text.root().elements();
  ASSERT_EQ(Elements.size(), 5u);
  EXPECT_EQ(Text.root().size(), 5u);
  EXPECT_EQ(Elements[2].size(), 1u);
  EXPECT_EQ(Elements[1].size(), 0u);
  EXPECT_EQ(Elements[3].size(), 0u);
  EXPECT_EQ(JsonValue().size(), 0u);
  EXPECT_TRUE(Elements[0].isObject());
  EXPECT_TRUE(Elements[0].members().empty());
  EXPECT_EQ(Elements[1].elements()->size(), 0u);
  EXPECT_FALSE(Elements[2]["y"]);
  EXPECT_EQ(Elements[2]["x"].elements()->at(1).integer(), 2);
  EXPECT_TRUE(Elements[3]);
  EXPECT_FALSE(Elements[3].boolean());
  EXPECT_EQ(Elements[4].elements()->at(0).boolean(), false);
  EXPECT_EQ(Text.root().str(), R"([{},[],{"x":[[{"y":1}],2]},null,[false,[true]]])");
  EXPECT_EQ(JsonValue().str(), "");
}

TEST(JsonReader, GivesNumbersWhereTheTypeHoldsThem) {
  struct {
    const char *Text;
    std::optional<int64_t> Signed;
    std::optional<uint64_t> Unsigned;
    double Number;
  } Cases[] = {
      {"0", 0, 0, 0},
      {"-0", 0, 0, 0},
      {"-1", -1, std::nullopt, -1},
      {"9223372036854775807", INT64_MAX, INT64_MAX, 0x1p63},
      {"9223372036854775808", std::nullopt, uint64_t(1) << 63, 0x1p63},
      {"-9223372036854775808", INT64_MIN, std::nullopt, -0x1p63},
      {"-9223372036854775809", std::nullopt, std::nullopt, -0x1p63},
      {"18446744073709551615", std::nullopt, UINT64_MAX, 0x1p64},
      {"18446744073709551616", std::nullopt, std::nullopt, 0x1p64},
      {"1.0", std::nullopt, std::nullopt, 1},
      {"1e3", std::nullopt, std::nullopt, 1000},
      {"1.7976931348623157e308", std::nullopt, std::nullopt, 0x1.fffffffffffffp1023},
      {"5e-324", std::nullopt, std::nullopt, 0x1p-1074},
  };
  for (const auto &Each : Cases) {
    JsonDocument Text = read(Each.Text);
    EXPECT_EQ(Text.root().integer(), Each.Signed) << Each.Text;
    EXPECT_EQ(Text.root().unsignedInteger(), Each.Unsigned) << Each.Text;
    EXPECT_EQ(Text.root().number(), Each.Number) << Each.Text;
  }
  EXPECT_EQ(read("[-5,18446744073709551615,2.5]").root().str(), "[-5,18446744073709551615,2.5]");
}

// A reader that searches an object for every member that it adds takes hours here.
TEST(JsonReader, ReadsAMillionMembers) {
  constexpr size_t Count = 1'000'000;
  std::string Text = "{";
  for (size_t I = 0; I < Count; ++I)
    Text += (I ? ",\"" : "\"") + std::to_string(I) + "\":" + std::to_string(I);
  JsonDocument Document = read(Text + "}");
  auto Members = Document.root().members();
  ASSERT_EQ(Members.size(), Count);
  for (size_t I = 0; I < Count; ++I) {
    ASSERT_EQ(Members[I].first, std::to_string(I));
    ASSERT_EQ(Members[I].second.unsignedInteger(), I);
  }
  EXPECT_EQ(Document.root()["999999"].integer(), 999999);
}

// The texts that a document gave stay where they are.
TEST(JsonReader, KeepsItsTextsWhenItMoves) {
  JsonDocument First = read(R"(["x"])");
  std::string_view Text = *First.root().elements()->front().text();
  JsonDocument Second = std::move(First);
  EXPECT_EQ(Second.root().elements()->front().text()->data(), Text.data());
  EXPECT_EQ(Text, "x");
}

TEST(JsonReader, RefusesWhatIsNoJSON) {
  for (std::string Text : {"", "{", "{} {}", "{'a': 1}", "[1,]", "nan", "[1e400]", "\"\xff\"", "01",
                           "{\"a\"}", "{\"a\":}", "{1:2}", "[1}", "]", "\"\\ud800\"", "// x\n1"})
    EXPECT_FALSE(JsonDocument::parse(Text)) << Text;
}

TEST(JsonReader, SaysWhyItRefuses) {
  auto Why = [](std::string_view Text, size_t MaxDepth = JsonDocument::DefaultDepth) {
    std::string Found;
    EXPECT_FALSE(JsonDocument::parse(Text, MaxDepth, &Found));
    return Found;
  };
  EXPECT_EQ(Why("[1, x]"), "syntax error at byte 5");
  EXPECT_EQ(Why("[1e400]"), "number too large for a double at byte 6");
  EXPECT_EQ(Why("[[[]]]", 2), "nests deeper than 2 levels");
}

// Brackets inside a text do not nest.
TEST(JsonReader, BoundsTheDepth) {
  auto Nested = [](size_t Depth) { return std::string(Depth, '[') + std::string(Depth, ']'); };
  EXPECT_TRUE(JsonDocument::parse(Nested(64)));
  EXPECT_FALSE(JsonDocument::parse(Nested(65)));
  EXPECT_FALSE(JsonDocument::parse(std::string(1'000'000, '{')));
  EXPECT_TRUE(JsonDocument::parse(Nested(1000), 1000));
  EXPECT_FALSE(JsonDocument::parse(R"({"a":[0]})", 1));
  EXPECT_TRUE(JsonDocument::parse("0", 0));
  EXPECT_FALSE(JsonDocument::parse("[]", 0));
  // Levels that were closed do not count.
  EXPECT_TRUE(JsonDocument::parse("[[],[],{}]", 2));
  EXPECT_TRUE(JsonDocument::parse("\"\\\"" + std::string(1000, '[') + "\""));
}

} // namespace
