//===- Tokenizer.cpp - Text to token ids and back -------------------------===//

#include "runtime/tokenizer/Tokenizer.h"

#include "runtime/support/Text.h"
#include "runtime/tokenizer/Unicode.h"

#include <utility>

using namespace lathe;

Tokenizer::Tokenizer(std::unique_ptr<const Vocabulary> List)
    : Tokens(std::move(List)), Specials(*Tokens) {}

Tokenizer::~Tokenizer() = default;

std::unique_ptr<Tokenizer> Tokenizer::create(const GGUFFile &File, Diagnostics &Diags) {
  std::string Where = File.path() + ": key 'tokenizer.ggml.model'";
  std::optional<std::string_view> Model = File.getString("tokenizer.ggml.model");
  if (!Model) {
    Diags.error(703, Where, "is missing or not a string, expected the kind of tokenizer",
                "the file holds no tokenizer; give token ids instead of text");
    return nullptr;
  }
  const TokenizerKind *Kind = Registry<TokenizerKind>::find(*Model);
  if (!Kind) {
    Diags.error(701, Where,
                "found " + quoted(*Model) + ", expected one of " +
                    Registry<TokenizerKind>::names());
    return nullptr;
  }
  return Kind->Create(File, Diags);
}

std::vector<int32_t> Tokenizer::encode(std::string_view Text, EncodeOptions Options) const {
  std::vector<int32_t> Ids;
  if (Options.AddSpecial && Tokens->addBos())
    Ids.push_back(Tokens->bos());
  bool AtStart = true;
  for (size_t Position = 0; Position < Text.size();) {
    SpecialTokens::Match Special = Specials.find(Text, Position, Options.ParseSpecial);
    size_t End = Special.Id < 0 ? Text.size() : Special.Position;
    if (End > Position)
      encodeText(Text.substr(Position, End - Position), AtStart, Ids);
    if (Special.Id >= 0)
      Ids.push_back(Special.Id);
    AtStart = Special.Id >= 0;
    Position = End + Special.Length;
  }
  if (Options.AddSpecial && Tokens->addEos())
    Ids.push_back(Tokens->eos());
  return Ids;
}

void Tokenizer::decode(int32_t Id, std::string &Out, bool ShowControl) const {
  if (ShowControl || !Tokens->isControl(Id))
    Out += Tokens->piece(Id);
}

static constexpr std::string_view ReplacementCharacter = "\xEF\xBF\xBD";

void StreamingDecoder::push(int32_t Id, std::string &Out) {
  Source.decode(Id, Pending, ShowControl);
  std::string_view Rest = Pending;
  if (DropsSpace && !Rest.empty() && !Source.isControl(Id)) {
    DropsSpace = false;
    if (Rest.front() == ' ')
      Rest.remove_prefix(1);
  }
  while (!Rest.empty()) {
    UTF8Char Char = decodeUTF8(Rest);
    if (Char.State == UTF8State::Truncated)
      break;
    bool Valid = Char.State == UTF8State::Valid;
    Out += Valid ? Rest.substr(0, Char.Length) : ReplacementCharacter;
    Rest.remove_prefix(Char.Length);
  }
  Pending.erase(0, Pending.size() - Rest.size());
}

void StreamingDecoder::flush(std::string &Out) {
  if (!Pending.empty())
    Out += ReplacementCharacter;
  Pending.clear();
}
