//===- SentencePieceTest.cpp - Joining by score, bytes and spaces ---------===//

#include "test/unit/VocabularyBuilder.h"

#include "gtest/gtest.h"

using namespace lathe;
using namespace lathe::test;

namespace {

using Ids = std::vector<int32_t>;

constexpr EncodeOptions Plain = {.AddSpecial = false, .ParseSpecial = false};
constexpr EncodeOptions Parsing = {.AddSpecial = false, .ParseSpecial = true};

/// Ids 0 to 255 are the bytes.
struct PieceBuilder : PieceVocabulary {
  std::unique_ptr<Tokenizer> good() const {
    Diagnostics Diags;
    std::unique_ptr<Tokenizer> Result = create(Diags);
    EXPECT_TRUE(Result) << Diags.str();
    return Result;
  }
  bool badWith(unsigned Number) const {
    Diagnostics Diags;
    EXPECT_FALSE(create(Diags));
    for (const Diagnostic &D : Diags.all())
      if (D.Number == Number)
        return true;
    ADD_FAILURE() << Diags.str();
    return false;
  }
  PieceBuilder &withoutPrefix() {
    Extra.value<uint8_t>("tokenizer.ggml.add_space_prefix", GGUFValueType::Bool, 0);
    return *this;
  }
};

std::string streamed(const Tokenizer &T, const Ids &Tokens, bool AtStart) {
  StreamingDecoder Stream(T, /*ShowControl=*/true, AtStart);
  std::string Text;
  for (int32_t Id : Tokens)
    Stream.push(Id, Text);
  Stream.flush(Text);
  return Text;
}

} // namespace

TEST(SentencePiece, JoinsTheBestScoreAndThenFromTheLeft) {
  PieceBuilder V;
  V.withoutPrefix();
  int32_t A = V.piece("a", -9), B = V.piece("b", -9), C = V.piece("c", -9);
  int32_t AB = V.piece("ab", -2), BC = V.piece("bc", -1), AA = V.piece("aa", -1);
  int32_t AABC = V.piece("aabc", -5), High = V.piece("cc", 3.5f);
  auto T = V.good();
  EXPECT_EQ(T->encode("abc", Plain), (Ids{A, BC}));
  EXPECT_EQ(T->encode("abab", Plain), (Ids{AB, AB}));
  EXPECT_EQ(T->encode("aaa", Plain), (Ids{AA, A}));
  EXPECT_EQ(T->encode("aabc", Plain), (Ids{AABC}));
  EXPECT_EQ(T->encode("bcc", Plain), (Ids{B, High}));
  EXPECT_EQ(T->encode("ccc", Plain), (Ids{High, C}));
  EXPECT_EQ(T->encode("", Plain), Ids{});
}

TEST(SentencePiece, EqualScoresWithBothZeros) {
  PieceBuilder V;
  V.withoutPrefix();
  int32_t A = V.piece("a", -9), AB = V.piece("ab", -0.0f), BA = V.piece("ba", 0.0f);
  V.piece("b", -9);
  EXPECT_EQ(V.good()->encode("aba", Plain), (Ids{AB, A}));
  EXPECT_EQ(V.good()->encode("ba", Plain), (Ids{BA}));
}

TEST(SentencePiece, PutsASpaceInFrontOfTextAndAfterSpecialTokens) {
  PieceBuilder V;
  int32_t Space = V.piece("\u2581", -1), A = V.piece("a", -1), SpaceA = V.piece("\u2581a", 0);
  int32_t Mark = V.token("<s>", TokenType::Control);
  auto T = V.good();
  EXPECT_EQ(T->encode("a", Plain), (Ids{SpaceA}));
  EXPECT_EQ(T->encode(" a", Plain), (Ids{Space, SpaceA}));
  EXPECT_EQ(T->encode("aa a<s>a", Parsing), (Ids{SpaceA, A, SpaceA, Mark, SpaceA}));
  EXPECT_EQ(V.withoutPrefix().good()->encode("aa<s>a", Parsing), (Ids{A, A, Mark, A}));
}

TEST(SentencePiece, SpellsInBytesWhatHasNoToken) {
  PieceBuilder V;
  V.withoutPrefix();
  int32_t Euro = V.piece("\u20AC", -1);
  auto T = V.good();
  EXPECT_EQ(T->encode("\u20ACx\u00E9", Plain), (Ids{Euro, 'x', 0xC3, 0xA9}));
  EXPECT_EQ(T->encode("\xFF\xE2\x82", Plain), (Ids{0xFF, 0xE2, 0x82}));
  EXPECT_EQ(streamed(*T, {0xE2, 0x82, 0xAC, 0xFF, 'x'}, false), "\u20AC\uFFFDx");
}

TEST(SentencePiece, NoSpellingBecomesAControlOrByteToken) {
  PieceBuilder V;
  V.withoutPrefix();
  V.token("<s>", TokenType::Control, 10);
  V.piece("s>", -1);
  V.piece("<0", -1);
  V.piece("<0x", -1);
  V.piece("<0x4", -1);
  V.piece("<0x41", -1);
  int32_t End = V.piece(">", -1);
  auto T = V.good();
  EXPECT_EQ(streamed(*T, T->encode("<s><0x41>", Plain), false), "<s><0x41>");
  EXPECT_EQ(T->encode("<0x41>", Plain).back(), End);
  EXPECT_EQ(T->encode("<s>", Plain).size(), 2u);
}

TEST(SentencePiece, TheSpaceInFrontIsNoneOfTheText) {
  PieceBuilder V;
  V.piece("\u2581", -1);
  V.piece("\u2581b", -1);
  V.token("<s>", TokenType::Control);
  auto T = V.good();
  EXPECT_TRUE(T->addsSpacePrefix());
  for (std::string Text : {"a b", " a", "b", "  ", "", "\u00E9 b"}) {
    EXPECT_EQ(streamed(*T, T->encode(Text, Plain), true), Text);
    EXPECT_EQ(streamed(*T, T->encode("<s>" + Text, Parsing), true), "<s>" + Text);
  }
  EXPECT_EQ(streamed(*T, T->encode("b", Plain), false), " b");
}

TEST(SentencePiece, AnUnknownTokenInPlaceOfBytes) {
  PieceBuilder V;
  V.Types.assign(256, int32_t(TokenType::Normal));
  EXPECT_TRUE(V.badWith(714));
  int32_t Unknown = V.token("<unk>", TokenType::Unknown);
  int32_t A = V.withoutPrefix().piece("a", -1);
  EXPECT_EQ(V.good()->encode("a\u20AC", Plain), (Ids{A, Unknown}));
}

TEST(SentencePiece, AddsTheStartTokenUnlessTheFileSaysNo) {
  PieceBuilder V;
  V.withoutPrefix();
  V.Extra.value<uint32_t>("tokenizer.ggml.bos_token_id", GGUFValueType::U32, 1);
  EXPECT_EQ(V.good()->encode("x"), (Ids{1, 'x'}));
  V.Extra.value<uint8_t>("tokenizer.ggml.add_bos_token", GGUFValueType::Bool, 0);
  EXPECT_EQ(V.good()->encode("x"), (Ids{'x'}));
}

TEST(SentencePiece, TakesALongTextInGoodTime) {
  PieceBuilder V;
  V.withoutPrefix();
  // Each is the best so far, so the symbol on the left grows byte by byte.
  for (int Length = 1; Length <= 1024; ++Length)
    V.piece(std::string(size_t(Length), 'a'), float(Length));
  auto T = V.good();
  Ids Result = T->encode(std::string(1 << 20, 'a'), Plain);
  EXPECT_EQ(Result, Ids(1024, 256 + 1023));
}

TEST(SentencePieceErrors, LongTokensAndWrongTypes) {
  PieceBuilder V;
  V.piece(std::string(1025, 'a'), 0);
  EXPECT_TRUE(V.badWith(713));
  PieceBuilder W;
  W.Extra.text("tokenizer.ggml.add_space_prefix", "no");
  EXPECT_TRUE(W.badWith(703));
}
