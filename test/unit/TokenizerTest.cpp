//===- TokenizerTest.cpp - Text to ids and back, and bad vocabularies -----===//

#include "test/unit/VocabularyBuilder.h"

#include "gtest/gtest.h"

using namespace lathe;
using namespace lathe::test;

namespace {

using Ids = std::vector<int32_t>;

constexpr EncodeOptions Plain = {.AddSpecial = false, .ParseSpecial = false};
constexpr EncodeOptions Parsing = {.AddSpecial = false, .ParseSpecial = true};

std::unique_ptr<Tokenizer> createGood(const VocabularyBuilder &Vocabulary) {
  Diagnostics Diags;
  std::unique_ptr<Tokenizer> Result = Vocabulary.create(Diags);
  EXPECT_TRUE(Result) << Diags.str();
  return Result;
}

Diagnostics createBad(const VocabularyBuilder &Vocabulary) {
  Diagnostics Diags;
  EXPECT_FALSE(Vocabulary.create(Diags));
  return Diags;
}

bool mentions(const Diagnostics &Diags, unsigned Number, std::string_view Text) {
  for (const Diagnostic &D : Diags.all())
    if (D.Number == Number && D.str().find(Text) != std::string::npos)
      return true;
  return false;
}

std::string decodeAll(const Tokenizer &T, const Ids &Tokens, bool ShowControl) {
  std::string Text;
  for (int32_t Id : Tokens)
    T.decode(Id, Text, ShowControl);
  return Text;
}

} // namespace

TEST(Tokenizer, MergesByRankAndThenFromTheLeft) {
  VocabularyBuilder V;
  int32_t BC = V.merge("b", "c");
  int32_t AB = V.merge("a", "b");
  int32_t AA = V.merge("a", "a");
  int32_t AABC = V.merge("aa", "bc");
  auto T = createGood(V);
  EXPECT_EQ(T->encode("abc", Plain), (Ids{'a', BC}));
  EXPECT_EQ(T->encode("abd", Plain), (Ids{AB, 'd'}));
  EXPECT_EQ(T->encode("aaa", Plain), (Ids{AA, 'a'}));
  EXPECT_EQ(T->encode("aabc", Plain), (Ids{AABC}));
  EXPECT_EQ(T->encode("", Plain), Ids{});
}

TEST(Tokenizer, NeverMergesAcrossWords) {
  VocabularyBuilder V;
  V.merge("a", "Ġ");
  int32_t SpaceA = V.merge("Ġ", "a");
  auto T = createGood(V);
  EXPECT_EQ(T->encode("a a", Plain), (Ids{'a', SpaceA}));
}

TEST(Tokenizer, KeepsAnyBytes) {
  auto T = createGood(VocabularyBuilder());
  std::string All;
  for (unsigned Byte = 0; Byte < 256; ++Byte)
    All += char(Byte);
  All += "\xE2\x82 \xF0\x9F\x8E\x89 \xED\xA0\x80";
  EXPECT_EQ(decodeAll(*T, T->encode(All, Plain), false), All);
}

TEST(Tokenizer, LeavesOutBytesThatHaveNoToken) {
  VocabularyBuilder V;
  V.Tokens['x'] = "missing";
  int32_t AB = V.merge("a", "b");
  auto T = createGood(V);
  EXPECT_EQ(T->encode("abxab axb", Plain), (Ids{AB, AB, ' ', 'a', 'b'}));
}

TEST(Tokenizer, TakesOneLongWordInGoodTime) {
  VocabularyBuilder V;
  std::string Left = "a";
  int32_t Longest = 'a';
  for (int I = 0; I < 6; ++I, Left += Left)
    Longest = V.merge(Left, Left);
  auto T = createGood(V);
  EXPECT_EQ(T->encode(std::string(1 << 20, 'a'), Plain), Ids((1 << 20) / 64, Longest));
}

TEST(Tokenizer, FindsSpecialTokensTheLongestFirst) {
  VocabularyBuilder V;
  int32_t Short = V.token("<s", TokenType::Control);
  int32_t Long = V.token("<s>", TokenType::Control);
  int32_t User = V.token("  ", TokenType::UserDefined);
  auto T = createGood(V);
  EXPECT_EQ(T->encode("<s><s!", Parsing), (Ids{Long, Short, '!'}));
  EXPECT_EQ(T->encode("<s>", Plain), (Ids{'<', 's', '>'}));
  EXPECT_EQ(T->encode("a   b", Plain), (Ids{'a', User, ' ', 'b'}));
  EXPECT_EQ(T->encode("<", Parsing), (Ids{'<'}));
}

TEST(Tokenizer, HidesControlTokensUnlessAsked) {
  VocabularyBuilder V;
  int32_t Control = V.token("<s>", TokenType::Control);
  int32_t User = V.token("<u>", TokenType::UserDefined);
  auto T = createGood(V);
  EXPECT_TRUE(T->isControl(Control));
  EXPECT_FALSE(T->isControl(User));
  EXPECT_EQ(decodeAll(*T, {Control, 'a', User}, false), "a<u>");
  EXPECT_EQ(decodeAll(*T, {Control, 'a', User}, true), "<s>a<u>");
}

TEST(Tokenizer, IgnoresIdsThatDoNotExist) {
  auto T = createGood(VocabularyBuilder());
  EXPECT_EQ(T->vocabularySize(), 256);
  for (int32_t Id : {-1, 256, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(T->pieceBytes(Id), "");
    EXPECT_FALSE(T->isControl(Id));
    EXPECT_FALSE(T->isEndOfGeneration(Id));
  }
}

TEST(Tokenizer, KnowsEndTokensByIdAndByName) {
  VocabularyBuilder V;
  int32_t Named = V.token("<|im_end|>", TokenType::Normal);
  int32_t Other = V.token("<|other|>", TokenType::Control);
  int32_t Eot = V.token("<|stop|>", TokenType::Control);
  V.Extra.value<uint32_t>("tokenizer.ggml.eos_token_id", GGUFValueType::U32, 'e');
  V.Extra.value<uint32_t>("tokenizer.ggml.eot_token_id", GGUFValueType::U32, uint32_t(Eot));
  auto T = createGood(V);
  EXPECT_EQ(T->eos(), 'e');
  EXPECT_EQ(T->bos(), -1);
  EXPECT_TRUE(T->isEndOfGeneration('e'));
  EXPECT_TRUE(T->isEndOfGeneration(Eot));
  EXPECT_TRUE(T->isEndOfGeneration(Named));
  EXPECT_TRUE(T->isControl(Named));
  EXPECT_FALSE(T->isEndOfGeneration(Other));
}

TEST(Tokenizer, EndOfAMessageIsNotTheEndWhenThereAreChannels) {
  VocabularyBuilder V;
  int32_t End = V.token("<|end|>", TokenType::Control);
  EXPECT_TRUE(createGood(V)->isEndOfGeneration(End));
  V.token("<|call|>", TokenType::Control);
  V.token("<|return|>", TokenType::Control);
  EXPECT_FALSE(createGood(V)->isEndOfGeneration(End));
}

TEST(Tokenizer, AddsStartAndEndAsTheFileSays) {
  VocabularyBuilder V;
  V.Extra.value<uint32_t>("tokenizer.ggml.bos_token_id", GGUFValueType::U32, 1);
  V.Extra.value<uint32_t>("tokenizer.ggml.eos_token_id", GGUFValueType::U32, 2);
  EXPECT_EQ(createGood(V)->encode("a"), (Ids{'a'}));
  V.Pre = "llama-bpe";
  EXPECT_EQ(createGood(V)->encode("a"), (Ids{1, 'a'}));
  V.Extra.value<uint8_t>("tokenizer.ggml.add_bos_token", GGUFValueType::Bool, 0);
  V.Extra.value<uint8_t>("tokenizer.ggml.add_eos_token", GGUFValueType::Bool, 1);
  EXPECT_EQ(createGood(V)->encode("a"), (Ids{'a', 2}));
  EXPECT_EQ(createGood(V)->encode("a", Plain), (Ids{'a'}));
}

TEST(Tokenizer, TakesWholeWordsWhereMergesMayBeIgnored) {
  VocabularyBuilder V;
  int32_t Word = V.token("word", TokenType::Normal);
  EXPECT_EQ(createGood(V)->encode("word", Plain), (Ids{'w', 'o', 'r', 'd'}));
  V.Pre = "llama-bpe";
  EXPECT_EQ(createGood(V)->encode("word", Plain), (Ids{Word}));
}

TEST(StreamingDecoder, EmitsWholeCharactersOnly) {
  auto T = createGood(VocabularyBuilder());
  StreamingDecoder Stream(*T);
  std::string Out;
  for (int32_t Byte : {0xE2, 0x82})
    Stream.push(Byte, Out);
  EXPECT_EQ(Out, "");
  Stream.push(0xAC, Out);
  EXPECT_EQ(Out, "\u20AC");
  Stream.push(0xFF, Out);
  Stream.push(0xE2, Out);
  Stream.push('x', Out);
  EXPECT_EQ(Out, "\u20AC\uFFFD\uFFFDx");
  Stream.push(0xF0, Out);
  Stream.flush(Out);
  EXPECT_EQ(Out, "\u20AC\uFFFD\uFFFDx\uFFFD");
}

TEST(TokenizerErrors, UnknownKindsAreNamedBesideTheKnown) {
  VocabularyBuilder V;
  V.Model = "rwkv";
  Diagnostics Diags = createBad(V);
  EXPECT_TRUE(mentions(Diags, 701, "found 'rwkv', expected one of gemma4, gpt2, llama"))
      << Diags.str();
  EXPECT_EQ(Diags.exitCode(), ExitCode::Unsupported);
  V.Model = std::nullopt;
  EXPECT_TRUE(mentions(createBad(V), 703, "tokenizer.ggml.model"));
}

TEST(TokenizerErrors, UnknownPreTokenizersAreRefused) {
  VocabularyBuilder V;
  V.Pre = "superbpe";
  Diagnostics Diags = createBad(V);
  EXPECT_TRUE(mentions(Diags, 702, "found 'superbpe', expected one of ")) << Diags.str();
  EXPECT_TRUE(mentions(Diags, 702, "smollm"));
  EXPECT_EQ(Diags.exitCode(), ExitCode::Unsupported);
}

TEST(TokenizerErrors, AMissingPreTokenizerIsAWarning) {
  VocabularyBuilder V;
  V.Pre = std::nullopt;
  Diagnostics Diags;
  EXPECT_TRUE(V.create(Diags));
  EXPECT_TRUE(mentions(Diags, 709, "taking 'default'"));
  EXPECT_FALSE(Diags.hasErrors());
}

TEST(TokenizerErrors, TellsAllFaultsAtOnce) {
  VocabularyBuilder V;
  V.token("\xFF", TokenType::Normal);
  V.token("a", TokenType::Normal);
  V.token(std::string(2000, 'x'), TokenType::Control);
  V.Types.pop_back();
  V.Merges = {"a b", "nospace", "a ", "a nothing"};
  V.Extra.value<uint32_t>("tokenizer.ggml.eos_token_id", GGUFValueType::U32, UINT32_MAX);
  V.Extra.value<int32_t>("tokenizer.ggml.bos_token_id", GGUFValueType::I32, -1);
  V.Extra.value<uint32_t>("tokenizer.ggml.padding_token_id", GGUFValueType::U32, 999);
  Diagnostics Diags = createBad(V);
  EXPECT_TRUE(mentions(Diags, 704, "has 258 elements, expected 259")) << Diags.str();
  EXPECT_TRUE(mentions(Diags, 705, "token 256"));
  EXPECT_TRUE(mentions(Diags, 706, "token 257 'a': has the same text as token 97"));
  EXPECT_TRUE(mentions(Diags, 707, "eos_token_id': found 4294967295, expected a token id from 0"));
  EXPECT_TRUE(mentions(Diags, 707, "bos_token_id': found -1"));
  EXPECT_TRUE(mentions(Diags, 707, "padding_token_id"));
  EXPECT_TRUE(mentions(Diags, 708, "merge 0: needs 'ab', which is no token"));
  EXPECT_TRUE(mentions(Diags, 708, "merge 1: found 'nospace'"));
  EXPECT_TRUE(mentions(Diags, 708, "merge 2: found 'a '"));
  EXPECT_TRUE(mentions(Diags, 708, "merge 3: needs 'nothing'"));
  EXPECT_EQ(Diags.exitCode(), ExitCode::Malformed);
}

TEST(TokenizerErrors, LimitsTheNamesOfSpecialTokens) {
  VocabularyBuilder V;
  V.token(std::string(1025, 'x'), TokenType::Control);
  EXPECT_TRUE(mentions(createBad(V), 713, "has 1025 bytes, expected at most 1024"));
}

TEST(TokenizerErrors, AskingForAStartTokenThatIsNotNamed) {
  VocabularyBuilder V;
  V.Extra.value<uint8_t>("tokenizer.ggml.add_bos_token", GGUFValueType::Bool, 1);
  EXPECT_TRUE(mentions(createBad(V), 707, "asks for a token that is not named"));
}

TEST(TokenizerErrors, WrongTypes) {
  GGUFBuilder File;
  File.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "gpt-2");
  for (bool WithTokens : {false, true}) {
    if (WithTokens) {
      File.array("tokenizer.ggml.tokens", GGUFValueType::String, 1, Bytes().string("a"));
      File.text("tokenizer.ggml.token_type", "control").text("tokenizer.ggml.merges", "a b");
      File.text("tokenizer.ggml.add_bos_token", "yes").text("tokenizer.ggml.eos_token_id", "1");
    }
    std::vector<uint8_t> Content = File.build();
    Diagnostics Diags;
    auto Parsed = GGUFFile::parse(Content, "test.gguf", Diags);
    ASSERT_TRUE(Parsed) << Diags.str();
    EXPECT_FALSE(Tokenizer::create(*Parsed, Diags));
    EXPECT_EQ(mentions(Diags, 703, "tokenizer.ggml.tokens"), !WithTokens);
    EXPECT_EQ(mentions(Diags, 703, "tokenizer.ggml.token_type"), WithTokens);
    EXPECT_EQ(mentions(Diags, 703, "tokenizer.ggml.merges"), WithTokens);
    EXPECT_EQ(mentions(Diags, 703, "add_bos_token"), WithTokens);
    EXPECT_EQ(mentions(Diags, 707, "eos_token_id"), WithTokens);
  }
}
