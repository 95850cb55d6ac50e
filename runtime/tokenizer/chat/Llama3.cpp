//===- Llama3.cpp - <|start_header_id|>role<|end_header_id|> ... ----------===//
//
// (meta-llama/llama3, llama/tokenizer.py, ChatFormat.)  What the templates of
// Llama 3.1 and later write about tools and today's date is left out.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/ChatFormat.h"

using namespace lathe;

static std::string header(std::string_view Role) {
  return "<|start_header_id|>" + std::string(Role) + "<|end_header_id|>\n\n";
}

namespace {
class Llama3 : public ChatFormat {
public:
  explicit Llama3(std::string_view Template)
      : ChatFormat(literalBetween(Template, header("system"), "<|eot_id|>")) {}

private:
  std::string format(const std::vector<ChatMessage> &Messages,
                     bool AddGenerationPrompt) const override {
    std::string Prompt;
    for (const ChatMessage &Message : Messages) {
      Prompt += header(Message.Role);
      Prompt += trimmed(Message.Content);
      Prompt += "<|eot_id|>";
    }
    if (AddGenerationPrompt)
      Prompt += header("assistant");
    return Prompt;
  }
};
} // namespace

static bool matches(std::string_view Template) {
  return Template.find("<|start_header_id|>") != std::string_view::npos &&
         Template.find("<|end_header_id|>") != std::string_view::npos &&
         Template.find("<|im_start|>") == std::string_view::npos;
}

static std::unique_ptr<ChatFormat> create(std::string_view Template) {
  return std::make_unique<Llama3>(Template);
}

static const ChatFormatRegistration
    Format({.Name = "llama3", .Matches = matches, .Create = create});
