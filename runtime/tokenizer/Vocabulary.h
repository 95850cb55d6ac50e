//===- Vocabulary.h - The tokens of a model file ----------------*- C++ -*-===//
//
// Reads `tokenizer.ggml.tokens`, `.token_type` and the ids of special tokens
// (ggml-org/ggml, docs/gguf.md) and checks them.  Shared by all tokenizer kinds.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_VOCABULARY_H
#define LATHE_RUNTIME_TOKENIZER_VOCABULARY_H

#include "runtime/formats/GGUF.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/FaultList.h"
#include "runtime/tokenizer/TextTable.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// Numbers of `tokenizer.ggml.token_type`.
enum class TokenType : uint8_t {
  Undefined = 0,
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6,
};

class Vocabulary;

/// What a tokenizer kind knows about the vocabularies it reads.
struct VocabularyRules {
  /// Appends the bytes that a token of text `Text` (valid UTF-8) stands for.
  /// Called for tokens that are not special.
  void (*DecodePiece)(std::string_view Text, TokenType Type, std::string &Out);
  /// Whether ordinary tokens, too, must not be longer than special ones may be.
  bool LimitsPieces = false;
  /// Whether there must be token types.
  bool NeedsTypes = false;
  /// For files that do not say whether a start token is put first.
  bool DefaultAddBos = false;
  /// More checks, of texts and types that are there; null for none.
  void (*Check)(const Vocabulary &Tokens, const TextTable &Names, FaultList &Faults) = nullptr;
};

/// A vocabulary that is not a GGUF file's.
struct VocabularyParts {
  std::vector<TokenType> Types; ///< One for each text.
  int32_t Bos = -1, Eos = -1, Unknown = -1;
  bool AddBos = false, AddEos = false;
};

class Vocabulary {
public:
  /// `Names` receives the token texts as they stand in the file: views that
  /// live as long as `File`; also when there is an error and null is returned.
  static std::unique_ptr<Vocabulary> read(const GGUFFile &File, const VocabularyRules &Rules,
                                          TextTable &Names, Diagnostics &Diags);

  /// The tokens of texts `Names`, each of which stands once, is valid UTF-8 and, where
  /// it is special, short enough to be searched for (MaxSearchedBytes).
  static std::unique_ptr<Vocabulary> create(const TextTable &Names, VocabularyParts Parts,
                                            const VocabularyRules &Rules);

  /// A longer text could make every search in a text slow.
  static constexpr size_t MaxSearchedBytes = 1024;

  int32_t size() const { return int32_t(Types.size()); }
  bool contains(int32_t Id) const { return Id >= 0 && Id < size(); }

  /// Bytes and type of a token; empty and Undefined for an id that does not exist.
  std::string_view piece(int32_t Id) const;
  TokenType type(int32_t Id) const {
    return contains(Id) ? Types[size_t(Id)] : TokenType::Undefined;
  }

  /// Tokens that are structure and not text.
  bool isControl(int32_t Id) const {
    return type(Id) == TokenType::Control || type(Id) == TokenType::Unknown;
  }
  /// Tokens found in a text by their name, before it is tokenised.
  bool isSpecial(int32_t Id) const { return isControl(Id) || type(Id) == TokenType::UserDefined; }
  bool isEndOfGeneration(int32_t Id) const;

  /// -1 when the file names none.
  int32_t bos() const { return Bos; }
  int32_t eos() const { return Eos; }
  /// The token for what has none: the one that the file names, or the first of
  /// that type.
  int32_t unknown() const { return Unknown; }
  bool addBos() const { return AddBos; }
  bool addEos() const { return AddEos; }

private:
  Vocabulary() = default;
  bool readTypes(const GGUFFile &File, size_t Count, bool Needed, FaultList &Faults);
  void readSpecialIds(const GGUFFile &File, FaultList &Faults, Diagnostics &Diags);
  void readAddFlags(const GGUFFile &File, bool DefaultAddBos, FaultList &Faults);
  void findEndTokens(const TextTable &Names);
  void markEndToken(int32_t Id);
  void decodePieces(const std::vector<std::string_view> &Texts, const VocabularyRules &Rules);

  std::vector<TokenType> Types;
  std::string Pieces;               ///< The bytes of all tokens, one after the other.
  std::vector<size_t> PieceOffsets; ///< size() + 1 offsets into Pieces.
  std::vector<int32_t> EndIds;      ///< Ascending.
  int32_t Bos = -1;
  int32_t Eos = -1;
  int32_t Unknown = -1;
  bool AddBos = false;
  bool AddEos = false;
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_VOCABULARY_H
