//===- wrapper.cpp - What lathe.hpp promises ------------------------------===//
//
//   wrapper MODEL.gguf        prints every broken promise; 1 when there is one
//
//===----------------------------------------------------------------------===//

#include "lathe/lathe.hpp"

#include <cstdio>
#include <cstring>

static int Broken = 0;

#define EXPECT(Condition)                                                                          \
  do {                                                                                             \
    if (!(Condition)) {                                                                            \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #Condition);                         \
      Broken = 1;                                                                                  \
    }                                                                                              \
  } while (false)

static_assert(!std::is_copy_constructible_v<lathe::Model> &&
              std::is_nothrow_move_constructible_v<lathe::Model>);
static_assert(!std::is_copy_constructible_v<lathe::Session> &&
              std::is_nothrow_move_assignable_v<lathe::Session>);
static_assert(!std::is_copy_constructible_v<lathe::Error>);

static void checkErrors(lathe::Model &Model) {
  auto Missing = lathe::Model::open("/no/such/model.gguf");
  EXPECT(!Missing);
  EXPECT(Missing.error().number() == 201 && Missing.error().exitCode() == 2);
  EXPECT(Missing.error().size() == 1);
  EXPECT(std::strstr(Missing.error()[0].place, "model.gguf") != nullptr);
  EXPECT(Missing.error().text().starts_with("error[E0201]"));
  lathe::ModelOptions Unsized = {};
  EXPECT(lathe::Model::open("/no/such/model.gguf", Unsized).error().number() == 820);
  auto Options = lathe::options<lathe::SessionOptions>();
  Options.sequences = -1;
  EXPECT(Model.createSession(Options).error().number() == 805);
  auto Sampling = lathe::options<lathe::SamplerOptions>();
  Sampling.min_p = 2;
  EXPECT(lathe::Sampler::create(Sampling).error().number() == 808);
}

static std::vector<int32_t> generateTwice(lathe::Session &Session,
                                          std::span<const int32_t> Prompt) {
  auto Options = lathe::options<lathe::GenerateOptions>();
  Options.max_tokens = 6;
  Options.flags = LATHE_GENERATE_IGNORE_END;
  std::vector<int32_t> Given, Asked;
  std::string Text;
  auto Done = Session.generate(Prompt, Options, [&](int32_t Token, std::string_view New) {
    if (Token >= 0)
      Given.push_back(Token);
    Text += New;
    return true;
  });
  EXPECT(Done && Done->stop == LATHE_STOP_TOKENS && Done->tokens == 6);
  EXPECT(Session.truncate(0, 0));
  auto Stream = Session.generate(Prompt, Options);
  EXPECT(Stream);
  std::string Again;
  for (auto Next = Stream->next(); Next && *Next; Next = Stream->next()) {
    if ((*Next)->Token >= 0)
      Asked.push_back((*Next)->Token);
    Again += (*Next)->Text;
  }
  EXPECT(Given.size() == 6 && Given == Asked && Text == Again);
  EXPECT(Stream->result().stop == LATHE_STOP_TOKENS);
  return Given;
}

/// The same tokens, chosen one by one from the logits.
static void chooseByHand(lathe::Model &Model, std::span<const int32_t> Prompt,
                         const std::vector<int32_t> &Expected) {
  auto Session = Model.createSession();
  auto Sampler = lathe::Sampler::create();
  std::vector<float> Logits(Session->info().vocabulary);
  EXPECT(Session->append(0, Prompt, LATHE_LOGITS_LAST, Logits));
  for (int32_t Wanted : Expected) {
    auto Token = Sampler->sample(Logits);
    EXPECT(Token && *Token == Wanted);
    EXPECT(Session->append(0, std::span(&*Token, 1), LATHE_LOGITS_LAST, Logits));
  }
  EXPECT(*Session->length(0) == static_cast<int64_t>(Prompt.size() + Expected.size()));
  EXPECT(Session->length(1).error().number() == 803);
  EXPECT(Session->append(0, Prompt, LATHE_LOGITS_ALL, Logits).error().number() == 804);
}

int main(int Argc, char **Argv) {
  if (Argc != 2 || !lathe::api())
    return 2;
  auto Opened = lathe::Model::open(Argv[1]);
  if (!Opened) {
    std::fputs(Opened.error().text().c_str(), stderr);
    return Opened.error().exitCode();
  }
  lathe::Model Model = std::move(*Opened);
  EXPECT(Model.info().vocabulary == 300);
  checkErrors(Model);
  auto Prompt = Model.tokenize("Hello, world");
  EXPECT(Prompt && !Prompt->empty());
  EXPECT(*Model.detokenize(*Prompt) == "Hello, world");
  auto Session = Model.createSession();
  EXPECT(Session);
  chooseByHand(Model, *Prompt, generateTwice(*Session, *Prompt));
  return Broken;
}
