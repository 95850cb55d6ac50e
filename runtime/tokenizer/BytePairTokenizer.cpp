//===- BytePairTokenizer.cpp - Byte-level BPE, the kind "gpt2" ------------===//

#include "runtime/support/Text.h"
#include "runtime/tokenizer/BytePairMerges.h"
#include "runtime/tokenizer/PreTokenizer.h"
#include "runtime/tokenizer/TextTable.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/Unicode.h"

#include <utility>

using namespace lathe;

namespace {

class BytePairTokenizer : public Tokenizer {
public:
  BytePairTokenizer(std::unique_ptr<const Vocabulary> Tokens, BytePairMerges Pairs,
                    const PreTokenizer &Rules)
      : Tokenizer(std::move(Tokens)), Merges(std::move(Pairs)), Rules(Rules) {
    if (Rules.IgnoreMerges)
      indexWords();
  }

private:
  void encodeText(std::string_view Text, bool AtStart, std::vector<int32_t> &Ids) const override;
  void indexWords();

  BytePairMerges Merges;
  const PreTokenizer &Rules;
  TextTable Words; ///< Pieces of the ordinary tokens; empty unless merges may be ignored.
};

} // namespace

void BytePairTokenizer::indexWords() {
  std::vector<std::string_view> Pieces(size_t(vocabulary().size()));
  for (int32_t Id = 0; Id < vocabulary().size(); ++Id)
    if (!vocabulary().isSpecial(Id))
      Pieces[size_t(Id)] = vocabulary().piece(Id);
  Words = TextTable(std::move(Pieces));
}

void BytePairTokenizer::encodeText(std::string_view Text, bool, std::vector<int32_t> &Ids) const {
  std::vector<TextChar> Chars = classifyText(Text);
  BytePairMerges::Scratch Memory;
  const TextChar *Char = Chars.data();
  for (size_t Length : splitWords(Rules, Chars)) {
    size_t Bytes = 0;
    for (const TextChar *End = Char + Length; Char != End; ++Char)
      Bytes += Char->byteLength();
    std::string_view Word = Text.substr(0, Bytes);
    Text.remove_prefix(Bytes);
    if (int32_t Id = Words.find(Word); Id >= 0)
      Ids.push_back(Id);
    else
      Merges.encode(Word, Memory, Ids);
  }
}

/// Characters that stand for no byte are kept as they are: some files list
/// added tokens, which no merge can make, as ordinary ones.
static void decodeByteLevel(std::string_view Text, TokenType, std::string &Out) {
  while (!Text.empty()) {
    UTF8Char Char = decodeUTF8(Text);
    if (int Byte = byteLevelByte(Char.Value); Byte >= 0)
      Out += char(Byte);
    else
      Out += Text.substr(0, Char.Length);
    Text.remove_prefix(Char.Length);
  }
}

static const PreTokenizer *findRules(const GGUFFile &File, Diagnostics &Diags) {
  std::string Where = File.path() + ": key 'tokenizer.ggml.pre'";
  if (!File.findValue("tokenizer.ggml.pre")) {
    Diags.warning(709, Where, "is missing, taking 'default'",
                  "text may be cut in another way than the model was trained on; convert the "
                  "original model again");
    return Registry<PreTokenizer>::find("default");
  }
  std::string_view Name = File.getString("tokenizer.ggml.pre").value_or("");
  const PreTokenizer *Rules = Registry<PreTokenizer>::find(Name);
  if (!Rules)
    Diags.error(702, Where,
                "found " + quoted(Name) + ", expected one of " + Registry<PreTokenizer>::names());
  return Rules;
}

static std::unique_ptr<Tokenizer> createBytePair(const GGUFFile &File, Diagnostics &Diags) {
  const PreTokenizer *Rules = findRules(File, Diags);
  TextTable Names;
  std::unique_ptr<Vocabulary> Tokens = Vocabulary::read(
      File, {.DecodePiece = decodeByteLevel, .DefaultAddBos = Rules && Rules->AddBos}, Names,
      Diags);
  std::optional<BytePairMerges> Merges;
  if (!Names.texts().empty())
    Merges = BytePairMerges::read(File, Names, Diags);
  if (!Rules || !Tokens || !Merges)
    return nullptr;
  return std::make_unique<BytePairTokenizer>(std::move(Tokens), std::move(*Merges), *Rules);
}

static const TokenizerRegistration BytePair({.Name = "gpt2", .Create = createBytePair});
