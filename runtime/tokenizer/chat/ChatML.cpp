//===- ChatML.cpp - <|im_start|>role ... <|im_end|> -----------------------===//
//
// (openai/openai-python, chatml.md.)  Used by SmolLM2, Qwen and many others,
// some of which begin with a system message of their own.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/ChatFormat.h"

using namespace lathe;

namespace {
class ChatML : public ChatFormat {
public:
  explicit ChatML(std::string_view Template)
      : ChatFormat(literalBetween(Template, "<|im_start|>system\n", "<|im_end|>")) {}

private:
  std::string format(const std::vector<ChatMessage> &Messages,
                     bool AddGenerationPrompt) const override {
    std::string Prompt;
    for (const ChatMessage &Message : Messages)
      Prompt += "<|im_start|>" + Message.Role + "\n" + Message.Content + "<|im_end|>\n";
    if (AddGenerationPrompt)
      Prompt += "<|im_start|>assistant\n";
    return Prompt;
  }
};
} // namespace

/// Phi 4 and SmolVLM share the opening marker but go on in another way.
static bool matches(std::string_view Template) {
  return Template.find("<|im_start|>") != std::string_view::npos &&
         Template.find("<|im_sep|>") == std::string_view::npos &&
         Template.find("<end_of_utterance>") == std::string_view::npos;
}

static std::unique_ptr<ChatFormat> create(std::string_view Template) {
  return std::make_unique<ChatML>(Template);
}

static const ChatFormatRegistration
    Format({.Name = "chatml", .Matches = matches, .Create = create});
