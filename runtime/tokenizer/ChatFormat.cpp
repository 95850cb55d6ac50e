//===- ChatFormat.cpp - From messages to a prompt -------------------------===//

#include "runtime/tokenizer/ChatFormat.h"

#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;

ChatFormat::~ChatFormat() = default;

std::unique_ptr<ChatFormat> ChatFormat::create(const GGUFFile &File, Diagnostics &Diags) {
  std::string Where = File.path() + ": key 'tokenizer.chat_template'";
  std::optional<std::string_view> Template = File.getString("tokenizer.chat_template");
  if (!Template) {
    Diags.error(710, Where, "is missing or not a string, expected a chat template",
                "the model may not be trained for chat; a format can be chosen by name: " +
                    Registry<ChatFormatKind>::names());
    return nullptr;
  }
  return fromTemplate(*Template, Where, Diags);
}

std::unique_ptr<ChatFormat> ChatFormat::fromTemplate(std::string_view Template, std::string Where,
                                                     Diagnostics &Diags) {
  for (const ChatFormatKind &Kind : Registry<ChatFormatKind>::all()) {
    if (!Kind.Matches(Template))
      continue;
    std::unique_ptr<ChatFormat> Format = Kind.Create(Template);
    Format->Name = Kind.Name;
    return Format;
  }
  Diags.error(711, std::move(Where),
              "found the markers of no known format, expected one of " +
                  Registry<ChatFormatKind>::names(),
              "choose a format by name, or write the prompt with its markers yourself");
  return nullptr;
}

std::unique_ptr<ChatFormat> ChatFormat::fromName(std::string_view Name, Diagnostics &Diags) {
  const ChatFormatKind *Kind = Registry<ChatFormatKind>::find(Name);
  if (!Kind) {
    Diags.error(712, "chat format",
                "found " + quoted(Name) + ", expected one of " + Registry<ChatFormatKind>::names());
    return nullptr;
  }
  std::unique_ptr<ChatFormat> Format = Kind->Create({});
  Format->Name = Kind->Name;
  return Format;
}

std::string ChatFormat::apply(const std::vector<ChatMessage> &Messages,
                              bool AddGenerationPrompt) const {
  if (!DefaultSystem || Messages.empty() || Messages.front().Role == "system")
    return format(Messages, AddGenerationPrompt);
  std::vector<ChatMessage> WithSystem = {{"system", *DefaultSystem}};
  WithSystem.insert(WithSystem.end(), Messages.begin(), Messages.end());
  return format(WithSystem, AddGenerationPrompt);
}

std::string_view lathe::trimmed(std::string_view Text) {
  constexpr std::string_view White = " \t\n\r\f\v";
  size_t Begin = Text.find_first_not_of(White);
  if (Begin == std::string_view::npos)
    return {};
  return Text.substr(Begin, Text.find_last_not_of(White) + 1 - Begin);
}

//===----------------------------------------------------------------------===//
// The literal texts of a Jinja template
//===----------------------------------------------------------------------===//

namespace {
/// Walks over what a template can print as it stands: the text outside of
/// {{ }}, {% %} and {# #}, and the string literals inside the first two.
class TemplateLiterals {
public:
  explicit TemplateLiterals(std::string_view Template) : Rest(Template) {}

  /// The next one, which may be empty; nullopt at the end.
  std::optional<std::string> next();

private:
  std::string outside();
  std::string quotedLiteral(char Quote);

  std::string_view Rest;
  bool Inside = false;
};
} // namespace

std::string TemplateLiterals::outside() {
  size_t End = Rest.find('{');
  while (End != std::string_view::npos && End + 1 < Rest.size() &&
         std::string_view("{%#").find(Rest[End + 1]) == std::string_view::npos)
    End = Rest.find('{', End + 1);
  std::string Text(Rest.substr(0, End));
  Rest.remove_prefix(Text.size());
  if (Rest.starts_with("{#")) {
    size_t Close = Rest.find("#}");
    Rest = Close == std::string_view::npos ? std::string_view() : Rest.substr(Close + 2);
  } else {
    Rest.remove_prefix(std::min<size_t>(2, Rest.size()));
    Inside = !Rest.empty();
  }
  return Text;
}

std::string TemplateLiterals::quotedLiteral(char Quote) {
  std::string Text;
  size_t I = 0;
  for (; I < Rest.size() && Rest[I] != Quote; ++I) {
    if (Rest[I] != '\\' || I + 1 == Rest.size()) {
      Text += Rest[I];
      continue;
    }
    char Escaped = Rest[++I];
    Text += Escaped == 'n' ? '\n' : Escaped == 't' ? '\t' : Escaped == 'r' ? '\r' : Escaped;
  }
  Rest.remove_prefix(std::min(I + 1, Rest.size()));
  return Text;
}

std::optional<std::string> TemplateLiterals::next() {
  while (Inside && !Rest.empty()) {
    if (Rest.starts_with("}}") || Rest.starts_with("%}")) {
      Rest.remove_prefix(2);
      Inside = false;
      break;
    }
    char C = Rest.front();
    Rest.remove_prefix(1);
    if (C == '\'' || C == '"')
      return quotedLiteral(C);
  }
  if (Rest.empty())
    return std::nullopt;
  return outside();
}

std::optional<std::string> lathe::literalBetween(std::string_view Template,
                                                 std::string_view Opening,
                                                 std::string_view Closing) {
  TemplateLiterals Literals(Template);
  while (std::optional<std::string> Literal = Literals.next()) {
    size_t Begin = Literal->find(Opening);
    if (Begin == std::string::npos)
      continue;
    Begin += Opening.size();
    size_t End = Literal->find(Closing, Begin);
    if (End != std::string::npos && End > Begin)
      return Literal->substr(Begin, End - Begin);
  }
  return std::nullopt;
}
