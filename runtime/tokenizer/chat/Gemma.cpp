//===- Gemma.cpp - <start_of_turn>role ... <end_of_turn> ------------------===//
//
// (google/gemma-3-270m-it, tokenizer_config.json.)  The assistant is called
// "model"; there is no system role, so a system message opens the next turn of
// the user.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/ChatFormat.h"

#include <utility>

using namespace lathe;

namespace {
class Gemma : public ChatFormat {
  std::string format(const std::vector<ChatMessage> &Messages,
                     bool AddGenerationPrompt) const override {
    std::string Prompt, System;
    for (const ChatMessage &Message : Messages) {
      if (Message.Role == "system") {
        System += Message.Content + "\n\n"; // As it is, unlike the others.
        continue;
      }
      bool IsModel = Message.Role == "assistant";
      Prompt += "<start_of_turn>" + (IsModel ? "model" : Message.Role) + "\n";
      if (!IsModel)
        Prompt += std::exchange(System, {});
      Prompt += trimmed(Message.Content);
      Prompt += "<end_of_turn>\n";
    }
    if (AddGenerationPrompt)
      Prompt += "<start_of_turn>model\n";
    return Prompt;
  }
};
} // namespace

static bool matches(std::string_view Template) {
  return Template.find("<start_of_turn>") != std::string_view::npos &&
         Template.find("<|im_start|>") == std::string_view::npos;
}

static std::unique_ptr<ChatFormat> create(std::string_view) { return std::make_unique<Gemma>(); }

static const ChatFormatRegistration Format({.Name = "gemma", .Matches = matches, .Create = create});
