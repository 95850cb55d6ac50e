//===- Vocabulary.cpp - The tokens of a model file ------------------------===//

#include "runtime/tokenizer/Vocabulary.h"

#include "runtime/support/Limits.h"
#include "runtime/support/Text.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <utility>

using namespace lathe;

/// Tokens with these names end a turn or a document in every model that has
/// them, whatever the file says about their type.  The last rows are the
/// padding and file separators of fill-in-the-middle models.
static constexpr std::string_view EndTokenNames[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<｜end▁of▁sentence｜>",
    "[e~[",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
};

std::string_view Vocabulary::piece(int32_t Id) const {
  if (!contains(Id))
    return {};
  size_t Begin = PieceOffsets[size_t(Id)];
  return std::string_view(Pieces).substr(Begin, PieceOffsets[size_t(Id) + 1] - Begin);
}

bool Vocabulary::isEndOfGeneration(int32_t Id) const {
  return std::binary_search(EndIds.begin(), EndIds.end(), Id);
}

static bool isIntegerType(GGUFValueType Type) {
  return Type != GGUFValueType::F32 && Type != GGUFValueType::F64 && Type != GGUFValueType::Bool &&
         Type != GGUFValueType::String && Type != GGUFValueType::Array;
}

/// Whether the types are what the file says: it has good ones, or needs none.
bool Vocabulary::readTypes(const GGUFFile &File, size_t Count, bool Needed, FaultList &Faults) {
  Types.assign(Count, TokenType::Normal);
  for (std::string_view Key : {"tokenizer.ggml.token_type", "tokenizer.ggml.scores"}) {
    const GGUFValue *Value = File.findValue(Key);
    if (!Value)
      continue;
    if (Value->Type != GGUFValueType::Array)
      Faults.error(703, "key " + quoted(Key), "found a single value, expected an array");
    else if (Value->Count != Count)
      Faults.error(704, "key " + quoted(Key),
                   "has " + std::to_string(Value->Count) + " elements, expected " +
                       std::to_string(Count) + ", one for each token");
    else if (Key == "tokenizer.ggml.token_type" && !isIntegerType(Value->ElementType))
      Faults.error(703, "key " + quoted(Key), "found an array of another type, expected integers");
  }
  constexpr std::string_view TypesKey = "tokenizer.ggml.token_type";
  if (!File.findValue(TypesKey)) {
    if (Needed)
      Faults.error(703, "key " + quoted(TypesKey), "is missing, expected an array of integers");
    return !Needed;
  }
  std::optional<std::vector<int64_t>> Numbers = File.getInts(TypesKey);
  if (!Numbers || Numbers->size() != Count)
    return false;
  for (size_t I = 0; I < Count; ++I) {
    int64_t Number = (*Numbers)[I];
    bool Known = Number >= 0 && Number <= int64_t(TokenType::Byte);
    Types[I] = Known ? TokenType(Number) : TokenType::Undefined;
  }
  return true;
}

void Vocabulary::readSpecialIds(const GGUFFile &File, FaultList &Faults, Diagnostics &Diags) {
  constexpr std::string_view Prefix = "tokenizer.ggml.", Suffix = "_token_id";
  for (const GGUFValue &Value : File.values()) {
    if (!Value.Key.starts_with(Prefix) || !Value.Key.ends_with(Suffix))
      continue;
    std::string_view Role = Value.Key.substr(Prefix.size());
    bool IsEnd = Role == "eos_token_id" || Role == "eot_token_id" || Role == "eom_token_id";
    bool IsUsed = IsEnd || Role == "bos_token_id";

    std::optional<int64_t> Id = File.getInt(Value.Key);
    if (!Id || *Id < 0 || *Id >= int64_t(size())) {
      std::string Where = "key " + quoted(Value.Key);
      std::string Message = "found " + (Id ? std::to_string(*Id) : "no such number") +
                            ", expected a token id from 0 to " + std::to_string(size() - 1);
      if (IsUsed)
        Faults.error(707, Where, Message);
      else
        Diags.warning(707, File.path() + ": " + Where, Message);
      continue;
    }
    if (Role == "bos_token_id")
      Bos = int32_t(*Id);
    if (Role == "eos_token_id")
      Eos = int32_t(*Id);
    if (Role == "unknown_token_id")
      Unknown = int32_t(*Id);
    if (IsEnd)
      EndIds.push_back(int32_t(*Id));
  }
  if (auto First = std::find(Types.begin(), Types.end(), TokenType::Unknown);
      Unknown < 0 && First != Types.end())
    Unknown = int32_t(First - Types.begin());
}

void Vocabulary::readAddFlags(const GGUFFile &File, bool DefaultAddBos, FaultList &Faults) {
  AddBos = DefaultAddBos && Bos >= 0;
  struct {
    std::string_view Key;
    bool &Flag;
    int32_t Id;
    const char *Token;
  } Flags[] = {{"tokenizer.ggml.add_bos_token", AddBos, Bos, "tokenizer.ggml.bos_token_id"},
               {"tokenizer.ggml.add_eos_token", AddEos, Eos, "tokenizer.ggml.eos_token_id"}};
  for (auto &[Key, Flag, Id, Token] : Flags) {
    if (!File.findValue(Key))
      continue;
    std::optional<bool> Value = File.getBool(Key);
    if (!Value)
      Faults.error(703, "key " + quoted(Key), "found another type, expected a boolean");
    else if (*Value && Id < 0)
      Faults.error(707, "key " + quoted(Key),
                   "asks for a token that is not named, expected a valid " + quoted(Token));
    else
      Flag = *Value;
  }
}

void Vocabulary::markEndToken(int32_t Id) {
  EndIds.push_back(Id);
  if (!isSpecial(Id))
    Types[size_t(Id)] = TokenType::Control;
}

void Vocabulary::findEndTokens(const TextTable &Names) {
  // In the chat format with channels, <|end|> ends one of several messages of a
  // turn, and the turn goes on.
  bool HasCall = Names.find("<|call|>") >= 0 || Names.find("<|calls|>") >= 0;
  bool HasReturn = Names.find("<|return|>") >= 0 || Names.find("<|flush|>") >= 0;
  for (std::string_view Name : EndTokenNames) {
    if (Name == "<|end|>" && HasCall && HasReturn)
      continue;
    if (int32_t Id = Names.find(Name); Id >= 0)
      markEndToken(Id);
  }
  std::sort(EndIds.begin(), EndIds.end());
  EndIds.erase(std::unique(EndIds.begin(), EndIds.end()), EndIds.end());
}

void Vocabulary::decodePieces(const std::vector<std::string_view> &Texts,
                              const VocabularyRules &Rules) {
  PieceOffsets.reserve(Texts.size() + 1);
  PieceOffsets.push_back(0);
  for (size_t I = 0; I < Texts.size(); ++I) {
    if (isSpecial(int32_t(I)))
      Pieces += Texts[I];
    else
      Rules.DecodePiece(Texts[I], Types[I], Pieces);
    PieceOffsets.push_back(Pieces.size());
  }
}

/// The token texts; nullopt when the file has none that could be used.
static std::optional<std::vector<std::string_view>> readTexts(const GGUFFile &File,
                                                              FaultList &Faults) {
  constexpr std::string_view Key = "tokenizer.ggml.tokens";
  const GGUFValue *Value = File.findValue(Key);
  if (!Value) {
    Faults.error(703, "key " + quoted(Key), "is missing, expected an array of strings");
    return std::nullopt;
  }
  bool IsStrings =
      Value->Type == GGUFValueType::Array && Value->ElementType == GGUFValueType::String;
  if (!IsStrings) {
    Faults.error(703, "key " + quoted(Key), "found another type, expected an array of strings");
    return std::nullopt;
  }
  if (Value->Count == 0 || Value->Count > limits::MaxVocabulary) {
    Faults.error(703, "key " + quoted(Key),
                 "has " + std::to_string(Value->Count) + " tokens, expected 1 to " +
                     std::to_string(limits::MaxVocabulary));
    return std::nullopt;
  }
  return File.getStrings(Key);
}

static void checkTexts(const Vocabulary &Tokens, const std::vector<std::string_view> &Texts,
                       const std::vector<TextTable::Duplicate> &Duplicates, bool LimitsPieces,
                       FaultList &Faults) {
  auto Name = [&](int32_t Id) {
    return "token " + std::to_string(Id) + " " + quoted(Texts[size_t(Id)]);
  };
  for (int32_t Id = 0; Id < Tokens.size(); ++Id) {
    std::string_view Text = Texts[size_t(Id)];
    if (!isValidUTF8(Text))
      Faults.error(705, Name(Id), "its text is not UTF-8");
    if ((LimitsPieces || Tokens.isSpecial(Id)) && Text.size() > Vocabulary::MaxSearchedBytes)
      Faults.error(713, Name(Id),
                   "its text has " + std::to_string(Text.size()) + " bytes, expected at most " +
                       std::to_string(Vocabulary::MaxSearchedBytes));
  }
  for (TextTable::Duplicate Pair : Duplicates)
    Faults.error(706, Name(Pair.Second),
                 "has the same text as token " + std::to_string(Pair.First));
}

std::unique_ptr<Vocabulary> Vocabulary::read(const GGUFFile &File, const VocabularyRules &Rules,
                                             TextTable &Names, Diagnostics &Diags) {
  FaultList Faults(Diags, File.path());
  std::optional<std::vector<std::string_view>> Texts = readTexts(File, Faults);
  if (!Texts)
    return nullptr;
  std::vector<TextTable::Duplicate> Duplicates;
  Names = TextTable(std::move(*Texts), &Duplicates);

  std::unique_ptr<Vocabulary> Result(new Vocabulary);
  bool HasTypes = Result->readTypes(File, Names.texts().size(), Rules.NeedsTypes, Faults);
  Result->readSpecialIds(File, Faults, Diags);
  Result->readAddFlags(File, Rules.DefaultAddBos, Faults);
  Result->findEndTokens(Names);
  checkTexts(*Result, Names.texts(), Duplicates, Rules.LimitsPieces, Faults);
  if (Rules.Check && HasTypes)
    Rules.Check(*Result, Names, Faults);
  if (Faults.any())
    return nullptr;
  Result->decodePieces(Names.texts(), Rules);
  return Result;
}

std::unique_ptr<Vocabulary> Vocabulary::create(const TextTable &Names, VocabularyParts Parts,
                                               const VocabularyRules &Rules) {
  std::unique_ptr<Vocabulary> Result(new Vocabulary);
  Result->Types = std::move(Parts.Types);
  Result->Bos = Parts.Bos;
  Result->Eos = Parts.Eos;
  Result->Unknown = Parts.Unknown;
  Result->AddBos = Parts.AddBos;
  Result->AddEos = Parts.AddEos;
  Result->decodePieces(Names.texts(), Rules);
  return Result;
}
