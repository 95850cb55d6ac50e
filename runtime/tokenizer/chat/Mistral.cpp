//===- Mistral.cpp - [INST] ... [/INST] -----------------------------------===//
//
// (mistralai/cookbook, concept-deep-dive/tokenization/chat_templates.md.)  The
// versions of the format differ in where single spaces stand, which the
// template's own literals tell, and in whether there is a system turn.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/ChatFormat.h"

#include <utility>

using namespace lathe;

static bool contains(std::string_view Text, std::string_view Part) {
  return Text.find(Part) != std::string_view::npos;
}

namespace {
class Mistral : public ChatFormat {
public:
  explicit Mistral(std::string_view Template)
      : ChatFormat(literalBetween(Template, "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]")),
        BeforeUser(contains(Template, " [INST]") ? " " : ""),
        AfterOpening(Template.empty() || contains(Template, "[INST] ") ? " " : ""),
        BeforeClosing(contains(Template, " [/INST]") ? " " : ""),
        BeforeAssistant(Template.empty() || contains(Template, "' ' + message") ||
                                contains(Template, "\" \" + message")
                            ? " "
                            : ""),
        HasSystemTurn(contains(Template, "[SYSTEM_PROMPT]")) {}

private:
  std::string format(const std::vector<ChatMessage> &Messages, bool) const override {
    // The assistant's turn needs no opening: it begins where [/INST] ends it.
    std::string Prompt, System;
    for (const ChatMessage &Message : Messages) {
      if (Message.Role == "assistant") {
        Prompt += BeforeAssistant + Message.Content + "</s>";
      } else if (Message.Role != "system") {
        Prompt += BeforeUser + "[INST]" + AfterOpening + std::exchange(System, {}) +
                  Message.Content + BeforeClosing + "[/INST]";
      } else if (HasSystemTurn) {
        Prompt += "[SYSTEM_PROMPT]" + AfterOpening + Message.Content + "[/SYSTEM_PROMPT]";
      } else {
        System += Message.Content + "\n\n";
      }
    }
    return Prompt;
  }

  std::string BeforeUser;
  std::string AfterOpening;
  std::string BeforeClosing;
  std::string BeforeAssistant;
  bool HasSystemTurn;
};
} // namespace

/// Llama 2 shares the markers, but wraps system messages in <<SYS>>.
static bool matches(std::string_view Template) {
  return contains(Template, "[INST]") && !contains(Template, "<<SYS>>") &&
         !contains(Template, "<|im_start|>") && !contains(Template, "<|start_header_id|>") &&
         !contains(Template, "<start_of_turn>");
}

static std::unique_ptr<ChatFormat> create(std::string_view Template) {
  return std::make_unique<Mistral>(Template);
}

static const ChatFormatRegistration
    Format({.Name = "mistral", .Matches = matches, .Create = create});
