//===- Tokenizer.h - Text to token ids and back -----------------*- C++ -*-===//
//
// The tokenizer that a GGUF file carries in its `tokenizer.ggml.*` metadata
// (ggml-org/ggml, docs/gguf.md).  A kind of tokenizer (`tokenizer.ggml.model`)
// is one source file that registers itself: "gpt2", byte-level BPE, "llama",
// SentencePiece, and "gemma4", BPE on characters.
//
// Ids are those of llama.cpp for valid UTF-8.  Bytes that are not UTF-8 are
// kept, where llama.cpp puts U+FFFD.  Control tokens inside text are looked for
// from left to right, the longest first; where they are not looked for, no
// spelling of one becomes it.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_TOKENIZER_H
#define LATHE_RUNTIME_TOKENIZER_TOKENIZER_H

#include "runtime/formats/GGUF.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/tokenizer/Registry.h"
#include "runtime/tokenizer/SpecialTokens.h"
#include "runtime/tokenizer/Vocabulary.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

struct EncodeOptions {
  /// Put the start and end tokens around the ids, if the file asks for them.
  bool AddSpecial = true;
  /// Read the text of a control token as that token.  Leave it off for text
  /// from outside, which could end its own turn otherwise.
  bool ParseSpecial = false;
};

/// Immutable after creation, so any number of threads may use one.  Owns all it
/// needs: the file may be closed.
class Tokenizer {
public:
  /// The tokenizer of `File`; null and errors E07xx when it has none, is of an
  /// unknown kind (exit 3) or is inconsistent (exit 4).
  static std::unique_ptr<Tokenizer> create(const GGUFFile &File, Diagnostics &Diags);

  virtual ~Tokenizer();

  /// Token ids of `Text`, any bytes.  Bytes for which the vocabulary has no
  /// token are left out, as every GGUF runtime does.
  std::vector<int32_t> encode(std::string_view Text, EncodeOptions Options = {}) const;

  /// The bytes that token `Id` stands for; empty when there is no such token.
  /// Valid as long as the tokenizer.
  std::string_view pieceBytes(int32_t Id) const { return Tokens->piece(Id); }

  /// Appends the bytes of token `Id` to `Out`; control tokens only if
  /// `ShowControl`.  The bytes need not be whole characters.
  void decode(int32_t Id, std::string &Out, bool ShowControl = false) const;

  int32_t vocabularySize() const { return Tokens->size(); }
  /// The start and end tokens, -1 when the file names none.
  int32_t bos() const { return Tokens->bos(); }
  int32_t eos() const { return Tokens->eos(); }
  bool isEndOfGeneration(int32_t Id) const { return Tokens->isEndOfGeneration(Id); }
  bool isControl(int32_t Id) const { return Tokens->isControl(Id); }

  /// Whether encode() puts a space in front of a text, which is none of it.
  virtual bool addsSpacePrefix() const { return false; }

protected:
  explicit Tokenizer(std::unique_ptr<const Vocabulary> Tokens);

  /// Appends the ids of `Text`, which is not empty and in which no special token
  /// is looked for.  `AtStart`: nothing but a special token stands before it.
  virtual void encodeText(std::string_view Text, bool AtStart, std::vector<int32_t> &Ids) const = 0;

  const Vocabulary &vocabulary() const { return *Tokens; }

private:
  std::unique_ptr<const Vocabulary> Tokens;
  SpecialTokens Specials;
};

/// A kind of tokenizer.  `Create` reports its errors and returns null on any.
struct TokenizerKind {
  std::string_view Name; ///< Value of `tokenizer.ggml.model`.
  std::unique_ptr<Tokenizer> (*Create)(const GGUFFile &File, Diagnostics &Diags);
};
using TokenizerRegistration = Registry<TokenizerKind>::Registration;

/// Turns a stream of tokens into text that is valid UTF-8 after every call:
/// bytes of an unfinished character wait, ill-formed bytes become U+FFFD.
class StreamingDecoder {
public:
  /// `Source` must outlive the decoder.  `AtStart`: the tokens begin a text and do
  /// not continue one, so the space that encode() puts in front is left out.
  explicit StreamingDecoder(const Tokenizer &Source, bool ShowControl = false, bool AtStart = false)
      : Source(Source), ShowControl(ShowControl), DropsSpace(AtStart && Source.addsSpacePrefix()) {}

  /// Appends to `Out` what became complete with token `Id`.
  void push(int32_t Id, std::string &Out);

  /// Ends the stream: an unfinished character becomes U+FFFD.
  void flush(std::string &Out);

private:
  const Tokenizer &Source;
  bool ShowControl;
  bool DropsSpace; ///< Until the first text.
  std::string Pending;
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_TOKENIZER_H
