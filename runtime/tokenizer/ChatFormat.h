//===- ChatFormat.h - From messages to a prompt -----------------*- C++ -*-===//
//
// Models are trained on conversations written in one of a few formats.  A GGUF
// file tells its own as a Jinja program (`tokenizer.chat_template`), which is
// untrusted and never run: the format is recognised by the marker tokens in its
// text.  A format is one source file in runtime/tokenizer/chat/ that registers
// itself.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_CHATFORMAT_H
#define LATHE_RUNTIME_TOKENIZER_CHATFORMAT_H

#include "runtime/formats/GGUF.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/tokenizer/Registry.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

struct ChatMessage {
  std::string Role; ///< "system", "user" or "assistant".
  std::string Content;
};

class ChatFormat {
public:
  /// The format of the file's template.  Null with E0710 when there is none and
  /// E0711 (exit 3) when no format is recognised.
  static std::unique_ptr<ChatFormat> create(const GGUFFile &File, Diagnostics &Diags);

  /// The same for a template's text; `Where` is used in messages.
  static std::unique_ptr<ChatFormat> fromTemplate(std::string_view Template, std::string Where,
                                                  Diagnostics &Diags);

  /// The format of that name, with no default system message.  Null with E0712
  /// (exit 2) when there is none.
  static std::unique_ptr<ChatFormat> fromName(std::string_view Name, Diagnostics &Diags);

  virtual ~ChatFormat();

  /// The prompt, for Tokenizer::encode with AddSpecial and ParseSpecial: the
  /// start token is not in it.  `AddGenerationPrompt` opens the assistant's turn.
  std::string apply(const std::vector<ChatMessage> &Messages, bool AddGenerationPrompt) const;

  std::string_view name() const { return Name; }

  /// The system message that the template itself writes when a conversation
  /// does not begin with one.
  const std::optional<std::string> &defaultSystem() const { return DefaultSystem; }

protected:
  explicit ChatFormat(std::optional<std::string> DefaultSystem = std::nullopt)
      : DefaultSystem(std::move(DefaultSystem)) {}

  virtual std::string format(const std::vector<ChatMessage> &Messages,
                             bool AddGenerationPrompt) const = 0;

private:
  std::string_view Name; ///< Of the registry's entry.
  std::optional<std::string> DefaultSystem;
};

struct ChatFormatKind {
  std::string_view Name;
  /// Whether a template is in this format.  At most one format takes a template.
  bool (*Matches)(std::string_view Template);
  /// `Template` is empty when the format was chosen by name.
  std::unique_ptr<ChatFormat> (*Create)(std::string_view Template);
};
using ChatFormatRegistration = Registry<ChatFormatKind>::Registration;

/// The text between `Opening` and `Closing` where a template writes all three
/// as one piece of literal text, that is, a fixed system message.  Escapes of
/// Jinja's string literals are undone.
std::optional<std::string> literalBetween(std::string_view Template, std::string_view Opening,
                                          std::string_view Closing);

/// `Text` without the white space at both ends (Jinja's `trim`).
std::string_view trimmed(std::string_view Text);

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_CHATFORMAT_H
