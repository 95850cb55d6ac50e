//===- ChatFormatTest.cpp - Recognising and writing chat formats ----------===//

#include "runtime/tokenizer/ChatFormat.h"
#include "test/unit/GGUFBuilder.h"

#include "gtest/gtest.h"

using namespace lathe;
using namespace lathe::test;

namespace {

const std::vector<ChatMessage> Dialogue = {
    {"system", "Be brief."}, {"user", " Hi "}, {"assistant", "Hello"}, {"user", "Bye"}};

std::unique_ptr<ChatFormat> fromTemplate(std::string_view Template) {
  Diagnostics Diags;
  auto Format = ChatFormat::fromTemplate(Template, "test", Diags);
  EXPECT_TRUE(Format) << Diags.str();
  return Format;
}

std::unique_ptr<ChatFormat> fromName(std::string_view Name) {
  Diagnostics Diags;
  auto Format = ChatFormat::fromName(Name, Diags);
  EXPECT_TRUE(Format) << Diags.str();
  return Format;
}

/// In the manner of SmolLM2: line ends stand as they are inside literals.
constexpr std::string_view WithDefault =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a lathe.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}";

} // namespace

TEST(ChatFormat, ChatML) {
  auto Format = fromName("chatml");
  EXPECT_EQ(Format->apply(Dialogue, true),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
            "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
            "<|im_start|>assistant\n");
  EXPECT_EQ(Format->apply({{"user", "Hi"}}, false), "<|im_start|>user\nHi<|im_end|>\n");
}

TEST(ChatFormat, TheTemplatesOwnSystemMessage) {
  auto Format = fromTemplate(WithDefault);
  EXPECT_EQ(Format->name(), "chatml");
  EXPECT_EQ(Format->defaultSystem(), "You are a lathe.");
  EXPECT_EQ(Format->apply({{"user", "Hi"}}, false),
            "<|im_start|>system\nYou are a lathe.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
  EXPECT_EQ(Format->apply({{"system", "S"}, {"user", "Hi"}}, false),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
  EXPECT_EQ(Format->apply({}, true), "<|im_start|>assistant\n");
}

TEST(ChatFormat, OnlyWholeLiteralsAreDefaults) {
  auto Default = [](std::string_view Template) { return fromTemplate(Template)->defaultSystem(); };
  EXPECT_EQ(Default(R"({{- '<|im_start|>system\n' + text + '<|im_end|>' }})"), std::nullopt);
  EXPECT_EQ(Default(R"({{ "<|im_start|>system\nIt\'s \"it\".<|im_end|>\n" }})"), "It's \"it\".");
  EXPECT_EQ(Default("<|im_start|>system\nplain<|im_end|>\n{{ x }}"), "plain");
  EXPECT_EQ(Default("{# '<|im_start|>system\nno<|im_end|>' #}<|im_start|>"), std::nullopt);
  EXPECT_EQ(Default("<|im_start|>{% if x %}{{ '<|im_start|>system\n"), std::nullopt);
  EXPECT_EQ(Default("<|im_start|>{{ 'a\\"), std::nullopt);
  EXPECT_EQ(Default("<|im_start|>{#"), std::nullopt);
  EXPECT_EQ(Default("<|im_start|>{"), std::nullopt);
}

TEST(ChatFormat, Llama3) {
  auto Format = fromTemplate("{{ '<|start_header_id|>' + role + '<|end_header_id|>\n\n' }}");
  EXPECT_EQ(Format->name(), "llama3");
  EXPECT_EQ(Format->apply({{"user", " Hi\n"}}, true),
            "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
}

TEST(ChatFormat, GemmaPutsTheSystemMessageIntoTheUsersTurn) {
  auto Format = fromTemplate("{{ '<start_of_turn>' + role }}");
  EXPECT_EQ(Format->name(), "gemma");
  EXPECT_EQ(Format->apply(Dialogue, true),
            "<start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n"
            "<start_of_turn>model\nHello<end_of_turn>\n"
            "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n");
}

/// What jinja2 3.1.6 makes of the template of google/gemma-3-270m-it.
TEST(ChatFormat, GemmaTrimsAllButTheSystemMessage) {
  auto Format = fromName("gemma");
  EXPECT_EQ(
      Format->apply({{"system", " Be brief.\n"}, {"user", " Hi "}, {"assistant", "Hello\n"}}, true),
      "<start_of_turn>user\n Be brief.\n\n\nHi<end_of_turn>\n"
      "<start_of_turn>model\nHello<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(Format->apply({{"user", " Hi "}}, false), "<start_of_turn>user\nHi<end_of_turn>\n");
}

TEST(ChatFormat, MistralTakesItsSpacesFromTheTemplate) {
  auto Apply = [](std::string_view Template) {
    auto Format = fromTemplate(Template);
    EXPECT_EQ(Format->name(), "mistral");
    return Format->apply({{"system", "S"}, {"user", "U"}, {"assistant", "A"}, {"user", "V"}}, true);
  };
  EXPECT_EQ(Apply("{{ ' [INST] ' + system_message + ' [/INST]' }}{{ ' ' + message['content'] }}"),
            " [INST] S\n\nU [/INST] A</s> [INST] V [/INST]");
  EXPECT_EQ(Apply("{{ \"[INST] \" + m + \"[/INST]\" }}{{ \" \" + message[\"content\"]|trim }}"),
            "[INST] S\n\nU[/INST] A</s>[INST] V[/INST]");
  EXPECT_EQ(Apply("{{ \"[INST]\" + m + \"[/INST]\" }}{{ message[\"content\"] }}"),
            "[INST]S\n\nU[/INST]A</s>[INST]V[/INST]");
  EXPECT_EQ(Apply("{{ '[SYSTEM_PROMPT]' + s + '[/SYSTEM_PROMPT]' }}{{ '[INST]' + m + '[/INST]' }}"),
            "[SYSTEM_PROMPT]S[/SYSTEM_PROMPT][INST]U[/INST]A</s>[INST]V[/INST]");
}

TEST(ChatFormat, NoTemplateIsTakenByTwoFormats) {
  std::string_view Templates[] = {WithDefault,
                                  "<|start_header_id|><|end_header_id|>[INST]",
                                  "<start_of_turn>[INST]",
                                  "<|im_start|><|start_header_id|><|end_header_id|><start_of_turn>",
                                  "[INST]",
                                  "<<SYS>>[INST]",
                                  ""};
  for (std::string_view Template : Templates) {
    int Takers = 0;
    for (const ChatFormatKind &Kind : Registry<ChatFormatKind>::all())
      Takers += Kind.Matches(Template);
    EXPECT_LE(Takers, 1) << Template;
  }
}

TEST(ChatFormat, Errors) {
  Diagnostics NoTemplate, NoFormat, NoName;
  std::vector<uint8_t> Content = GGUFBuilder().text("general.name", "x").build();
  auto File = GGUFFile::parse(Content, "test.gguf", NoTemplate);
  ASSERT_TRUE(File);
  EXPECT_FALSE(ChatFormat::create(*File, NoTemplate));
  EXPECT_EQ(NoTemplate.all().at(0).Number, 710u);
  EXPECT_EQ(NoTemplate.exitCode(), ExitCode::Usage);

  EXPECT_FALSE(ChatFormat::fromTemplate("{{ messages }}", "test", NoFormat));
  EXPECT_EQ(NoFormat.all().at(0).Number, 711u);
  EXPECT_EQ(NoFormat.exitCode(), ExitCode::Unsupported);

  EXPECT_FALSE(ChatFormat::fromName("chatlm", NoName));
  EXPECT_EQ(NoName.all().at(0).Message,
            "found 'chatlm', expected one of chatml, gemma, llama3, mistral");
}

TEST(ChatFormat, FromAFile) {
  std::vector<uint8_t> Content = GGUFBuilder().text("tokenizer.chat_template", WithDefault).build();
  Diagnostics Diags;
  auto File = GGUFFile::parse(Content, "test.gguf", Diags);
  ASSERT_TRUE(File) << Diags.str();
  auto Format = ChatFormat::create(*File, Diags);
  ASSERT_TRUE(Format) << Diags.str();
  EXPECT_EQ(Format->name(), "chatml");
}
