//===- CharacterPairTokenizer.cpp - BPE on characters, the kind "gemma4" --===//
//
// A vocabulary in the manner of SentencePiece with a list of merges in place of
// scores (google/gemma-4, tokenizer.json).  Lines are words: [^\n]+|\n+ .
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/ByteFallback.h"
#include "runtime/tokenizer/BytePairMerges.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/Unicode.h"

#include <utility>

using namespace lathe;

namespace {

class CharacterPairTokenizer : public Tokenizer {
public:
  CharacterPairTokenizer(std::unique_ptr<const Vocabulary> Tokens, TextTable Texts,
                         BytePairMerges Pairs)
      : Tokenizer(std::move(Tokens)), Names(std::move(Texts)), Merges(std::move(Pairs)),
        Fallback(vocabulary(), Names) {
    Names.adopt();
  }

private:
  void encodeText(std::string_view Text, bool AtStart, std::vector<int32_t> &Ids) const override;
  void encodeLine(std::string_view Line, std::vector<int32_t> &Ids) const;

  /// The token of text `Text` that text may become, or -1.
  int32_t find(std::string_view Text) const {
    int32_t Id = Names.find(Text);
    bool IsText = !vocabulary().isControl(Id) && vocabulary().type(Id) != TokenType::Byte;
    return IsText ? Id : -1;
  }

  TextTable Names;
  BytePairMerges Merges;
  ByteFallback Fallback;
};

} // namespace

void CharacterPairTokenizer::encodeLine(std::string_view Line, std::vector<int32_t> &Ids) const {
  std::vector<int32_t> First;
  while (!Line.empty()) {
    std::string_view Char = Line.substr(0, decodeUTF8(Line).Length);
    if (int32_t Id = find(Char == " " ? SpaceMark : Char); Id >= 0)
      First.push_back(Id);
    else
      Fallback.append(Char, First);
    Line.remove_prefix(Char.size());
  }
  BytePairMerges::Scratch Memory;
  Merges.merge(First, Memory, Ids);
}

void CharacterPairTokenizer::encodeText(std::string_view Text, bool,
                                        std::vector<int32_t> &Ids) const {
  while (!Text.empty()) {
    bool Newlines = Text.front() == '\n';
    size_t End = Newlines ? Text.find_first_not_of('\n') : Text.find('\n');
    std::string_view Line = Text.substr(0, End);
    Text.remove_prefix(Line.size());
    // A run of line ends that is a token is taken whole, merges or not.
    if (int32_t Id = Newlines ? find(Line) : -1; Id >= 0)
      Ids.push_back(Id);
    else
      encodeLine(Line, Ids);
  }
}

static std::unique_ptr<Tokenizer> createCharacterPair(const GGUFFile &File, Diagnostics &Diags) {
  TextTable Names;
  std::unique_ptr<Vocabulary> Tokens = Vocabulary::read(File,
                                                        {.DecodePiece = ByteFallback::decodePiece,
                                                         .NeedsTypes = true,
                                                         .DefaultAddBos = true,
                                                         .Check = ByteFallback::check},
                                                        Names, Diags);
  std::optional<BytePairMerges> Merges;
  if (!Names.texts().empty())
    Merges = BytePairMerges::read(File, Names, Diags);
  if (!Tokens || !Merges)
    return nullptr;
  return std::make_unique<CharacterPairTokenizer>(std::move(Tokens), std::move(Names),
                                                  std::move(*Merges));
}

static const TokenizerRegistration CharacterPair({.Name = "gemma4", .Create = createCharacterPair});
