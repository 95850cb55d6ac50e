//===- VocabularyBuilder.h - Small tokenizers as GGUF bytes -----*- C++ -*-===//

#ifndef LATHE_TEST_UNIT_VOCABULARYBUILDER_H
#define LATHE_TEST_UNIT_VOCABULARYBUILDER_H

#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/Unicode.h"
#include "test/unit/GGUFBuilder.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::test {

/// Adds an array of strings.
inline void addStrings(GGUFBuilder &File, std::string_view Key,
                       const std::vector<std::string> &Texts) {
  Bytes Payload;
  for (const std::string &Text : Texts)
    Payload.string(Text);
  File.array(Key, GGUFValueType::String, Texts.size(), Payload);
}

/// The tokenizer of a file that is gone when this returns.
inline std::unique_ptr<Tokenizer> createTokenizer(const std::vector<uint8_t> &Content,
                                                  Diagnostics &Diags) {
  std::unique_ptr<GGUFFile> File = GGUFFile::parse(Content, "test.gguf", Diags);
  return File ? Tokenizer::create(*File, Diags) : nullptr;
}

/// A byte-level vocabulary: ids 0 to 255 are the bytes in order, then come the
/// tokens of `merge` and `token` as they are added.
struct VocabularyBuilder {
  std::vector<std::string> Tokens;
  std::vector<int32_t> Types;
  std::vector<std::string> Merges;
  std::optional<std::string> Model = "gpt2", Pre = "gpt-2";
  GGUFBuilder Extra; ///< More metadata.

  VocabularyBuilder() {
    for (unsigned Byte = 0; Byte < 256; ++Byte) {
      std::string Text;
      appendUTF8(byteLevelChar(uint8_t(Byte)), Text);
      token(Text, TokenType::Normal);
    }
  }

  /// Adds a token and returns its id.
  int32_t token(std::string Text, TokenType Type) {
    Tokens.push_back(std::move(Text));
    Types.push_back(int32_t(Type));
    return int32_t(Tokens.size()) - 1;
  }

  /// Adds a merge of the next rank and its result; the id of the result.
  int32_t merge(const std::string &Left, const std::string &Right) {
    Merges.push_back(Left + " " + Right);
    return token(Left + Right, TokenType::Normal);
  }

  std::vector<uint8_t> build() const {
    GGUFBuilder File = Extra;
    if (Model)
      File.text("tokenizer.ggml.model", *Model);
    if (Pre)
      File.text("tokenizer.ggml.pre", *Pre);
    Bytes TypeBytes;
    for (int32_t Type : Types)
      TypeBytes.add(Type);
    addStrings(File, "tokenizer.ggml.tokens", Tokens);
    File.array("tokenizer.ggml.token_type", GGUFValueType::I32, Types.size(), TypeBytes);
    addStrings(File, "tokenizer.ggml.merges", Merges);
    return File.build();
  }

  std::unique_ptr<Tokenizer> create(Diagnostics &Diags) const {
    return createTokenizer(build(), Diags);
  }
};

/// A vocabulary of SentencePiece: ids 0 to 255 are the byte tokens in order, then
/// come those of `piece` and `token` as they are added.
struct PieceVocabulary {
  std::vector<std::string> Tokens;
  std::vector<int32_t> Types;
  std::vector<float> Scores;
  GGUFBuilder Extra; ///< More metadata.

  PieceVocabulary() {
    constexpr std::string_view Digits = "0123456789ABCDEF";
    for (unsigned Byte = 0; Byte < 256; ++Byte)
      token({'<', '0', 'x', Digits[Byte >> 4], Digits[Byte & 15], '>'}, TokenType::Byte);
  }

  /// Each adds a token and returns its id.
  int32_t token(std::string Text, TokenType Type, float Score = 0) {
    Tokens.push_back(std::move(Text));
    Types.push_back(int32_t(Type));
    Scores.push_back(Score);
    return int32_t(Tokens.size()) - 1;
  }
  int32_t piece(std::string Text, float Score) {
    return token(std::move(Text), TokenType::Normal, Score);
  }

  std::unique_ptr<Tokenizer> create(Diagnostics &Diags) const {
    GGUFBuilder File = Extra;
    File.text("tokenizer.ggml.model", "llama");
    Bytes TypeBytes, ScoreBytes;
    for (int32_t Type : Types)
      TypeBytes.add(Type);
    for (float Score : Scores)
      ScoreBytes.add(Score);
    addStrings(File, "tokenizer.ggml.tokens", Tokens);
    File.array("tokenizer.ggml.token_type", GGUFValueType::I32, Types.size(), TypeBytes);
    File.array("tokenizer.ggml.scores", GGUFValueType::F32, Scores.size(), ScoreBytes);
    return createTokenizer(File.build(), Diags);
  }
};

} // namespace lathe::test

#endif // LATHE_TEST_UNIT_VOCABULARYBUILDER_H
