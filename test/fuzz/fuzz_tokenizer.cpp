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

/// Ids are in the vocabulary; the streamed text is valid UTF-8.
std::string roundTrip(const Tokenizer &T, std::string_view Text, EncodeOptions Options) {
  std::string Raw, Streamed;
  StreamingDecoder Stream(T, /*ShowControl=*/true);
  for (int32_t Id : T.encode(Text, Options)) {
    demand(Id >= 0 && Id < T.vocabularySize());
    T.decode(Id, Raw, /*ShowControl=*/true);
    Stream.push(Id, Streamed);
    demand(isValidUTF8(Streamed));
  }
  Stream.flush(Streamed);
  demand(isValidUTF8(Streamed));
  demand(!isValidUTF8(Raw) || Raw == Streamed);
  return Raw;
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

/// One tokenizer for each pre-tokeniser, over a vocabulary that has all bytes.
const Tokenizer &fixedTokenizer(size_t Number) {
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
    return Result;
  }();
  return *List[Number % List.size()];
}

void fuzzText(size_t Number, std::string_view Input) {
  for (bool ParseSpecial : {false, true})
    demand(roundTrip(fixedTokenizer(Number), Input,
                     {.AddSpecial = false, .ParseSpecial = ParseSpecial}) == Input);
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
