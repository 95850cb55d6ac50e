//===- WordPieceTokenizer.cpp - WordPiece, of BERT ------------------------===//
//
// Words (BertNormalizer.h) become the longest piece of the vocabulary that they begin
// with, and so on with pieces that continue a word; a word of which any part is no
// piece, or that is too long, is the unknown token (Schuster and Nakajima, 2012; Wu et
// al., 2016).
//
//===----------------------------------------------------------------------===//

#include "runtime/support/Limits.h"
#include "runtime/support/Text.h"
#include "runtime/tokenizer/BertNormalizer.h"
#include "runtime/tokenizer/FolderTokenizer.h"
#include "runtime/tokenizer/Unicode.h"

#include <algorithm>
#include <utility>

using namespace lathe;

namespace {

/// What tokenizer.json or vocab.txt says.
struct WordPieceParts {
  std::string Where; ///< The file, for messages.
  std::vector<std::string_view> Texts;
  VocabularyParts Tokens;
  BertNormalizer Normalizer;
  std::string Prefix = "##"; ///< Of pieces that continue a word.
  size_t MaxWordChars = 100;
};

class WordPieceTokenizer : public Tokenizer {
public:
  WordPieceTokenizer(std::unique_ptr<const Vocabulary> Tokens, TextTable Table,
                     const WordPieceParts &Parts)
      : Tokenizer(std::move(Tokens)), Names(std::move(Table)), Normalizer(Parts.Normalizer),
        Prefix(Parts.Prefix), MaxWordChars(Parts.MaxWordChars) {
    Names.adopt();
    for (std::string_view Text : Names.texts())
      LongestPiece = std::max(LongestPiece, Text.size());
  }

  bool addsSpacePrefix() const override { return true; }

private:
  void encodeText(std::string_view Text, bool AtStart, std::vector<int32_t> &Ids) const override;
  bool encodeWord(std::string_view Word, std::vector<int32_t> &Ids) const;

  TextTable Names;
  BertNormalizer Normalizer;
  std::string Prefix;
  size_t MaxWordChars, LongestPiece = 0;
};

} // namespace

static bool startsChar(char Byte) { return (uint8_t(Byte) & 0xC0) != 0x80; }

/// False when a part of the word is no piece.
bool WordPieceTokenizer::encodeWord(std::string_view Word, std::vector<int32_t> &Ids) const {
  if (size_t(std::count_if(Word.begin(), Word.end(), startsChar)) > MaxWordChars)
    return false;
  std::string Piece;
  for (size_t Start = 0; Start < Word.size();) {
    Piece = Start == 0 ? "" : Prefix;
    size_t Ahead = Piece.size();
    Piece += Word.substr(Start, LongestPiece);
    int32_t Id = -1;
    while (Piece.size() > Ahead && (Id = Names.find(Piece)) < 0) {
      do
        Piece.pop_back();
      while (Piece.size() > Ahead && !startsChar(Word[Start + Piece.size() - Ahead]));
    }
    if (Id < 0)
      return false;
    Ids.push_back(Id);
    Start += Piece.size() - Ahead;
  }
  return true;
}

void WordPieceTokenizer::encodeText(std::string_view Text, bool, std::vector<int32_t> &Ids) const {
  for (const std::string &Word : Normalizer.words(Text)) {
    size_t Before = Ids.size();
    if (encodeWord(Word, Ids))
      continue;
    Ids.resize(Before);
    Ids.push_back(vocabulary().unknown());
  }
}

//===----------------------------------------------------------------------===//
// Checking
//===----------------------------------------------------------------------===//

/// A piece that continues no word begins one, behind a space.
static void decodePiece(std::string_view Text, TokenType, std::string &Out) {
  constexpr std::string_view Continues = "##";
  if (Text.starts_with(Continues) && Text.size() > Continues.size())
    Text.remove_prefix(Continues.size());
  else
    Out += ' ';
  Out += Text;
}

/// Texts and ids must be such as Vocabulary::create takes them.
static void check(const WordPieceParts &Parts, std::span<const TextTable::Duplicate> Duplicates,
                  FaultList &Faults) {
  auto Name = [&](size_t Id) {
    return "token " + std::to_string(Id) + " " + quoted(Parts.Texts[Id]);
  };
  for (size_t Id = 0; Id < Parts.Texts.size(); ++Id) {
    std::string_view Text = Parts.Texts[Id];
    if (!isValidUTF8(Text))
      Faults.error(705, Name(Id), "its text is not UTF-8");
    if (Text.size() > Vocabulary::MaxSearchedBytes)
      Faults.error(713, Name(Id),
                   "its text has " + std::to_string(Text.size()) + " bytes, expected at most " +
                       std::to_string(Vocabulary::MaxSearchedBytes));
  }
  for (TextTable::Duplicate Pair : Duplicates)
    Faults.error(706, Name(size_t(Pair.Second)),
                 "has the same text as token " + std::to_string(Pair.First));
  if (Parts.Tokens.Unknown < 0)
    Faults.error(707, "vocabulary", "has no token for unknown words");
}

static std::unique_ptr<Tokenizer> build(WordPieceParts Parts, Diagnostics &Diags) {
  FaultList Faults(Diags, Parts.Where);
  std::vector<TextTable::Duplicate> Duplicates;
  TextTable Names(Parts.Texts, &Duplicates);
  check(Parts, Duplicates, Faults);
  if (Faults.any())
    return nullptr;
  auto Tokens = Vocabulary::create(Names, Parts.Tokens, {.DecodePiece = decodePiece});
  return std::make_unique<WordPieceTokenizer>(std::move(Tokens), std::move(Names), Parts);
}

/// Marks a token of that name as structure; gives its id, or -1.
static int32_t markSpecial(WordPieceParts &Parts, std::string_view Name) {
  auto Found = std::find(Parts.Texts.begin(), Parts.Texts.end(), Name);
  if (Found == Parts.Texts.end())
    return -1;
  auto Id = Found - Parts.Texts.begin();
  Parts.Tokens.Types[size_t(Id)] = TokenType::Control;
  return int32_t(Id);
}

//===----------------------------------------------------------------------===//
// tokenizer.json
//===----------------------------------------------------------------------===//

static bool flagOr(JsonValue Object, std::string_view Key, bool Usual) {
  return Object[Key].boolean().value_or(Usual);
}

/// Ids must be those from 0 on, each once.
static bool readTexts(JsonValue Vocab, WordPieceParts &Parts, FaultList &Faults) {
  auto Members = Vocab.members();
  if (Members.empty() || Members.size() > limits::MaxVocabulary) {
    Faults.error(703, "key 'model.vocab'",
                 "has " + std::to_string(Members.size()) + " tokens, expected 1 to " +
                     std::to_string(limits::MaxVocabulary));
    return false;
  }
  Parts.Texts.resize(Members.size());
  std::vector<bool> Taken(Members.size());
  for (auto [Text, Value] : Members) {
    std::optional<uint64_t> Id = Value.unsignedInteger();
    if (!Id || *Id >= Members.size() || Taken[*Id]) {
      Faults.error(703, "token " + quoted(Text),
                   "found id " + Value.str() + ", expected each from 0 to " +
                       std::to_string(Members.size() - 1) + " once");
      continue;
    }
    Taken[*Id] = true;
    Parts.Texts[*Id] = Text;
  }
  Parts.Tokens.Types.assign(Members.size(), TokenType::Normal);
  return !Faults.any();
}

static void readNormalizer(JsonValue Root, BertNormalizer &Result, FaultList &Faults) {
  for (auto [Key, Expected] :
       {std::pair{"normalizer", "BertNormalizer"}, std::pair{"pre_tokenizer", "BertPreTokenizer"}})
    if (JsonValue Type = Root[Key]["type"]; Type.text() != Expected)
      Faults.error(702, "key " + quoted(std::string(Key) + ".type"),
                   "found " + (Type ? Type.str() : std::string("nothing")) + ", expected " +
                       quoted(Expected));
  JsonValue Normalizer = Root["normalizer"];
  Result.CleansText = flagOr(Normalizer, "clean_text", true);
  Result.SplitsIdeographs = flagOr(Normalizer, "handle_chinese_chars", true);
  Result.Lowercases = flagOr(Normalizer, "lowercase", true);
  // Where nothing is said, accents go with capitals.
  Result.StripsAccents = flagOr(Normalizer, "strip_accents", Result.Lowercases);
}

/// The tokens that stand around one text: at most one on each side.
static void readFrame(JsonValue Root, WordPieceParts &Parts, FaultList &Faults) {
  JsonValue Processor = Root["post_processor"];
  std::string_view Type = Processor["type"].text().value_or("");
  std::vector<std::string_view> Ahead, Behind;
  if (Type == "BertProcessing") {
    for (auto [Key, List] : {std::pair{"cls", &Ahead}, std::pair{"sep", &Behind}})
      if (auto Pair = Processor[Key].elements(); Pair && !Pair->empty())
        List->push_back(Pair->front().text().value_or(""));
  } else {
    bool Text = false;
    auto Steps = Processor["single"].elements();
    for (JsonValue Each : Steps ? *Steps : std::vector<JsonValue>())
      if (Each["Sequence"])
        Text = true;
      else
        (Text ? Behind : Ahead).push_back(Each["SpecialToken"]["id"].text().value_or(""));
  }
  if (Ahead.size() > 1 || Behind.size() > 1)
    Faults.error(703, "key 'post_processor.single'",
                 "found several tokens on one side of a text, expected at most one");
  for (auto [List, Id, Add] : {std::tuple{&Ahead, &Parts.Tokens.Bos, &Parts.Tokens.AddBos},
                               std::tuple{&Behind, &Parts.Tokens.Eos, &Parts.Tokens.AddEos}}) {
    if (List->empty())
      continue;
    *Id = markSpecial(Parts, List->front());
    *Add = *Id >= 0;
    if (*Id < 0)
      Faults.error(707, "key 'post_processor'",
                   "names " + quoted(List->front()) + ", which is no token");
  }
}

static std::unique_ptr<Tokenizer> createWordPiece(const ModelFolder &Folder, JsonValue Root,
                                                  Diagnostics &Diags) {
  WordPieceParts Parts;
  Parts.Where = Folder.pathOf("tokenizer.json");
  FaultList Faults(Diags, Parts.Where);
  JsonValue Model = Root["model"];
  readNormalizer(Root, Parts.Normalizer, Faults);
  Parts.Prefix = Model["continuing_subword_prefix"].text().value_or("##");
  Parts.MaxWordChars = Model["max_input_chars_per_word"].unsignedInteger().value_or(100);
  if (readTexts(Model["vocab"], Parts, Faults)) {
    auto Added = Root["added_tokens"].elements();
    for (JsonValue Each : Added ? *Added : std::vector<JsonValue>())
      if (flagOr(Each, "special", false))
        markSpecial(Parts, Each["content"].text().value_or(""));
    Parts.Tokens.Unknown = markSpecial(Parts, Model["unk_token"].text().value_or("[UNK]"));
    readFrame(Root, Parts, Faults);
  }
  Faults.finish();
  return Faults.any() ? nullptr : build(std::move(Parts), Diags);
}

//===----------------------------------------------------------------------===//
// vocab.txt
//===----------------------------------------------------------------------===//

static std::unique_ptr<Tokenizer> createFromList(const ModelFolder &Folder, Diagnostics &Diags) {
  WordPieceParts Parts;
  Parts.Where = Folder.pathOf("vocab.txt");
  std::optional<FolderFile> File = Folder.read("vocab.txt", Diags);
  std::optional<JsonDocument> Config = Folder.readJson("tokenizer_config.json", Diags);
  if (!File || Diags.hasErrors())
    return nullptr;
  std::string_view Rest = File->text();
  while (!Rest.empty()) {
    std::string_view Line = Rest.substr(0, Rest.find('\n'));
    Rest.remove_prefix(std::min(Rest.size(), Line.size() + 1));
    Parts.Texts.push_back(Line.ends_with('\r') ? Line.substr(0, Line.size() - 1) : Line);
  }
  if (Parts.Texts.size() > limits::MaxVocabulary) {
    Diags.error(703, Parts.Where,
                "has " + std::to_string(Parts.Texts.size()) + " tokens, expected at most " +
                    std::to_string(limits::MaxVocabulary));
    return nullptr;
  }
  Parts.Tokens.Types.assign(Parts.Texts.size(), TokenType::Normal);
  JsonValue Root = Config ? Config->root() : JsonValue();
  Parts.Normalizer.Lowercases = flagOr(Root, "do_lower_case", true);
  Parts.Normalizer.SplitsIdeographs = flagOr(Root, "tokenize_chinese_chars", true);
  Parts.Normalizer.StripsAccents = flagOr(Root, "strip_accents", Parts.Normalizer.Lowercases);
  Parts.Tokens.Unknown = markSpecial(Parts, "[UNK]");
  Parts.Tokens.Bos = markSpecial(Parts, "[CLS]");
  Parts.Tokens.Eos = markSpecial(Parts, "[SEP]");
  Parts.Tokens.AddBos = Parts.Tokens.Bos >= 0;
  Parts.Tokens.AddEos = Parts.Tokens.Eos >= 0;
  for (std::string_view Name : {"[PAD]", "[MASK]"})
    markSpecial(Parts, Name);
  return build(std::move(Parts), Diags);
}

static const FolderTokenizerRegistration
    WordPiece({.Name = "WordPiece", .Create = createWordPiece, .CreateFromList = createFromList});
