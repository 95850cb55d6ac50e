//===- SentencePieceTokenizer.cpp - SentencePiece BPE, the kind "llama" ---===//
//
// Llama 2, Mistral, Gemma up to 3, Phi 3.  Unlike llama.cpp, and like
// SentencePiece, no spelling of a control or byte token in a text becomes it.
//
//===----------------------------------------------------------------------===//

#include "runtime/support/Text.h"
#include "runtime/tokenizer/SentencePieceMerges.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <utility>

using namespace lathe;

namespace {

class SentencePieceTokenizer : public Tokenizer {
public:
  SentencePieceTokenizer(std::unique_ptr<const Vocabulary> Tokens, TextTable Names,
                         const std::vector<float> &Scores, bool AddsSpace)
      : Tokenizer(std::move(Tokens)), Merges(vocabulary(), std::move(Names), Scores),
        AddsSpace(AddsSpace) {}

  bool addsSpacePrefix() const override { return AddsSpace; }

private:
  void encodeText(std::string_view Text, bool AtStart, std::vector<int32_t> &Ids) const override;

  SentencePieceMerges Merges;
  bool AddsSpace;
};

} // namespace

void SentencePieceTokenizer::encodeText(std::string_view Text, bool AtStart,
                                        std::vector<int32_t> &Ids) const {
  std::string Marked(AtStart && AddsSpace ? SpaceMark : "");
  Marked.reserve(Marked.size() + Text.size() + Text.size() / 2);
  for (char C : Text)
    if (C == ' ')
      Marked += SpaceMark;
    else
      Marked += C;
  Merges.encode(Marked, Ids);
}

static bool readAddsSpace(const GGUFFile &File, FaultList &Faults) {
  constexpr std::string_view Key = "tokenizer.ggml.add_space_prefix";
  std::optional<bool> Value = File.getBool(Key);
  if (!Value && File.findValue(Key))
    Faults.error(703, "key " + quoted(Key), "found another type, expected a boolean");
  return Value.value_or(true);
}

static std::unique_ptr<Tokenizer> createSentencePiece(const GGUFFile &File, Diagnostics &Diags) {
  TextTable Names;
  std::unique_ptr<Vocabulary> Tokens = Vocabulary::read(File,
                                                        {.DecodePiece = ByteFallback::decodePiece,
                                                         .LimitsPieces = true,
                                                         .NeedsTypes = true,
                                                         .DefaultAddBos = true,
                                                         .Check = ByteFallback::check},
                                                        Names, Diags);
  FaultList Faults(Diags, File.path());
  bool AddsSpace = readAddsSpace(File, Faults);
  std::optional<std::vector<float>> Scores = readScores(File, Names, Faults);
  if (!Tokens || !Scores || Faults.any())
    return nullptr;
  return std::make_unique<SentencePieceTokenizer>(std::move(Tokens), std::move(Names), *Scores,
                                                  AddsSpace);
}

static const TokenizerRegistration SentencePiece({.Name = "llama", .Create = createSentencePiece});
