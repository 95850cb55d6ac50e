//===- fuzz_tokenizer.cpp - Hostile vocabularies, texts and templates -----===//
//
// The first two bytes choose what the rest is: a whole GGUF file, a text for a
// fixed vocabulary with the pre-tokeniser of that number, or a chat template.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/ChatFormat.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "test/unit/VocabularyBuilder.h"

#include <cstdlib>

using namespace lathe;

namespace {

/// Breaks the run when `Condition`, a promise of the interface, does not hold.
void demand(bool Condition) {
  if (!Condition)
    abort();
}

/// The text of a fresh stream after every one of `Ids`, which are in the
/// vocabulary; valid UTF-8 all the time.
std::string stream(const Tokenizer &T, const std::vector<int32_t> &Ids, bool AtStart) {
  std::string Streamed;
  StreamingDecoder Stream(T, /*ShowControl=*/true, AtStart);
  for (int32_t Id : Ids) {
    demand(Id >= 0 && Id < T.vocabularySize());
    Stream.push(Id, Streamed);
    demand(isValidUTF8(Streamed));
  }
  Stream.flush(Streamed);
  demand(isValidUTF8(Streamed));
  return Streamed;
}

std::string roundTrip(const Tokenizer &T, std::string_view Text, EncodeOptions Options) {
  std::string Raw;
  std::vector<int32_t> Ids = T.encode(Text, Options);
  for (int32_t Id : Ids)
    T.decode(Id, Raw, /*ShowControl=*/true);
  std::string Streamed = stream(T, Ids, /*AtStart=*/false);
  demand(!isValidUTF8(Raw) || Raw == Streamed);
  std::string Whole = stream(T, Ids, /*AtStart=*/true);
  demand(Whole == Streamed || T.addsSpacePrefix());
  return Raw;
}

/// `Text` with every U+2581 as the space that it stands for.
std::string withSpaces(std::string_view Text) {
  constexpr std::string_view Mark = "\u2581";
  std::string Result;
  for (; !Text.empty(); Text.remove_prefix(Text.starts_with(Mark) ? Mark.size() : 1))
    Result += Text.starts_with(Mark) ? ' ' : Text.front();
  return Result;
}

std::string withoutSpaces(std::string_view Text) {
  std::string Result = withSpaces(Text);
  std::erase(Result, ' ');
  return Result;
}

void fuzzFile(std::string_view Input) {
  Diagnostics Diags;
  std::span<const uint8_t> Bytes(reinterpret_cast<const uint8_t *>(Input.data()), Input.size());
  std::unique_ptr<GGUFFile> File = GGUFFile::parse(Bytes, "fuzz.gguf", Diags);
  if (!File)
    return;
  std::unique_ptr<Tokenizer> T = Tokenizer::create(*File, Diags);
  demand(!T == Diags.hasErrors());
  if (!T)
    return;
  for (bool ParseSpecial : {false, true})
    roundTrip(*T, Input, {.AddSpecial = true, .ParseSpecial = ParseSpecial});
}

/// SentencePiece vocabularies with and without the space in front.
std::unique_ptr<Tokenizer> pieceTokenizer(bool AddsSpace) {
  test::PieceVocabulary Vocabulary;
  float Score = 0;
  for (const char *Text : {"ab", "ba", "\u2581a", "\u2581\u2581", "abab", "\u00E9", "a", "b",
                           "\u2581", "<", "s", ">", "<s", "\u2581\u00E9", "12", "<0x41"})
    Vocabulary.piece(Text, Score--);
  Vocabulary.token("<s>", TokenType::Control, 1);
  Vocabulary.token("  ", TokenType::UserDefined, 1);
  Vocabulary.Extra.value<uint8_t>("tokenizer.ggml.add_space_prefix", GGUFValueType::Bool,
                                  AddsSpace);
  Diagnostics Diags;
  return Vocabulary.create(Diags);
}

/// One tokenizer for each pre-tokeniser, over a vocabulary that has all bytes, and
/// those of SentencePiece.
const std::vector<std::unique_ptr<Tokenizer>> &fixedTokenizers() {
  static const auto List = [] {
    std::vector<std::unique_ptr<Tokenizer>> Result;
    for (const PreTokenizer &Rules : Registry<PreTokenizer>::all()) {
      test::VocabularyBuilder Vocabulary;
      Vocabulary.Pre = std::string(Rules.Name);
      for (auto [Left, Right] : {std::pair("a", "b"), std::pair("Ġ", "a"), std::pair("ab", "ab"),
                                 std::pair("Ġ", "Ġ"), std::pair("b", "a"), std::pair("1", "2")})
        Vocabulary.merge(Left, Right);
      Vocabulary.token("<s>", TokenType::Control);
      Vocabulary.token("<s", TokenType::UserDefined);
      Diagnostics Diags;
      Result.push_back(Vocabulary.create(Diags));
      demand(Result.back() != nullptr);
    }
    for (bool AddsSpace : {false, true}) {
      Result.push_back(pieceTokenizer(AddsSpace));
      demand(Result.back() != nullptr);
    }
    return Result;
  }();
  return List;
}

/// Every byte comes back, but for the spaces that SentencePiece knows and puts in
/// front of a text and after special tokens.
void fuzzText(size_t Number, std::string_view Input) {
  Number %= fixedTokenizers().size();
  const Tokenizer &T = *fixedTokenizers()[Number];
  bool IsBytes = Number < Registry<PreTokenizer>::all().size();
  for (bool ParseSpecial : {false, true}) {
    std::string Text = roundTrip(T, Input, {.AddSpecial = false, .ParseSpecial = ParseSpecial});
    if (IsBytes)
      demand(Text == Input);
    else if (!T.addsSpacePrefix())
      demand(withSpaces(Text) == withSpaces(Input));
    else
      demand(withoutSpaces(Text) == withoutSpaces(Input));
  }
}

void fuzzTemplate(std::string_view Input) {
  Diagnostics Diags;
  std::unique_ptr<ChatFormat> Format = ChatFormat::fromTemplate(Input, "fuzz", Diags);
  demand(!Format == Diags.hasErrors());
  if (!Format)
    return;
  std::string Content(Input);
  std::string Prompt =
      Format->apply({{"system", Content}, {"user", Content}, {"assistant", Content}}, true);
  demand(Prompt.find(trimmed(Content)) != std::string::npos);
  Format->apply({{"user", "x"}}, false);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size) {
  if (Size < 2)
    return 0;
  std::string_view Input(reinterpret_cast<const char *>(Data) + 2, Size - 2);
  switch (Data[0] % 3) {
  case 0:
    fuzzFile(Input);
    break;
  case 1:
    fuzzText(Data[1], Input);
    break;
  default:
    fuzzTemplate(Input);
  }
  return 0;
}
