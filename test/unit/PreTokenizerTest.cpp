//===- PreTokenizerTest.cpp - Where each expression cuts ------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

#include "gtest/gtest.h"

#include <string>

using namespace lathe;

namespace {

/// The words of `Text` with "·" between.
std::string split(std::string_view Rules, std::string_view Text) {
  const PreTokenizer *Found = Registry<PreTokenizer>::find(Rules);
  if (!Found)
    return "no such pre-tokenizer";
  std::vector<TextChar> Chars = classifyText(Text);
  std::string Result;
  size_t Char = 0;
  for (size_t Length : splitWords(*Found, Chars)) {
    if (!Result.empty())
      Result += "·";
    for (size_t End = Char + Length; Char < End; ++Char) {
      Result += Text.substr(0, Chars[Char].byteLength());
      Text.remove_prefix(Chars[Char].byteLength());
    }
  }
  EXPECT_TRUE(Text.empty());
  return Result;
}

} // namespace

TEST(PreTokenizer, EveryNameIsRegisteredOnceAndKeepsTheText) {
  const std::vector<PreTokenizer> &All = Registry<PreTokenizer>::all();
  EXPECT_GE(All.size(), 50u);
  for (size_t I = 0; I < All.size(); ++I) {
    EXPECT_TRUE(I == 0 || All[I - 1].Name < All[I].Name);
    split(All[I].Name, "Don't 12345 \xFF\xE2\x82 été\r\n\t x\u0301 漢字ー。 <|x|> \n");
    EXPECT_EQ(split(All[I].Name, ""), "");
    EXPECT_EQ(split(All[I].Name, "\n"), "\n");
  }
}

TEST(PreTokenizer, GPT2) {
  EXPECT_EQ(split("gpt-2", "I'll go  to 12345 'S"), "I·'ll· go· · to· 12345· '·S");
  EXPECT_EQ(split("gpt-2", "a\n\nb  "), "a·\n·\n·b·  ");
}

TEST(PreTokenizer, DigitsOneByOne) {
  EXPECT_EQ(split("smollm", "in 2024x"), "in· ·2·0·2·4·x");
  EXPECT_EQ(split("starcoder", "½¾"), "½·¾");
}

TEST(PreTokenizer, PunctuationFirst) {
  EXPECT_EQ(split("default", "a`b 12345"), "a·`·b· ·123·45");
  EXPECT_EQ(split("falcon", "a ``b 12345"), "a· ·``·b· ·123·45");
  EXPECT_EQ(split("falcon", "a 12"), "a· 12");
  EXPECT_EQ(split("falcon", "x=123456"), "x·=·123·456");
}

TEST(PreTokenizer, Llama3) {
  EXPECT_EQ(split("llama-bpe", "I'LL take 12345"), "I·'LL· take· ·123·45");
  EXPECT_EQ(split("llama-bpe", "x;\n\n  y \n z"), "x·;\n\n· · y· \n· z");
  EXPECT_EQ(split("llama-bpe", "\tfoo(bar)"), "\tfoo·(bar·)");
  EXPECT_EQ(split("qwen2", "12 ab"), "1·2· ab");
  EXPECT_EQ(split("qwen2", "e\u0301t"), "e·\u0301t");
  EXPECT_EQ(split("qwen35", "e\u0301t"), "e\u0301t");
}

TEST(PreTokenizer, GPT4o) {
  EXPECT_EQ(split("gpt-4o", "HTTPServer fooBar"), "HTTPServer· foo·Bar");
  EXPECT_EQ(split("gpt-4o", "we'll 12345"), "we'll· ·123·45");
  EXPECT_EQ(split("gpt-4o", "a //\nb"), "a· //\n·b");
  // ʰ is in both classes: U* gives it back, and what follows it starts anew.
  EXPECT_EQ(split("gpt-4o", "AʰBC"), "Aʰ·BC");
  EXPECT_EQ(split("gpt-4o", "\u0301ABC"), "\u0301·ABC");
  EXPECT_EQ(split("tekken", "we'll 12"), "we·'ll· ·1·2");
}

TEST(PreTokenizer, DeepSeek) {
  EXPECT_EQ(split("deepseek-llm", "a b\n漢 12  "), "a· b·\n·漢· ·12·  ");
  EXPECT_EQ(split("deepseek-llm", "x\u3000。y"), "x·\u3000。·y");
  EXPECT_EQ(split("deepseek-coder", "a+b; 12"), "a·+·b·;· ·1·2");
  EXPECT_EQ(split("deepseek-v3", "f(x)=1234 カナ"), "f·(x·)=·123·4· ·カナ");
}
