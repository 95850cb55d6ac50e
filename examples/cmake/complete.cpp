//===- complete.cpp - Continues a text ------------------------------------===//
//
//   ./complete MODEL.gguf "The capital of France is" [TOKENS]
//
//===----------------------------------------------------------------------===//

#include <lathe/lathe.hpp>

#include <cstdio>
#include <cstdlib>

static int fail(const lathe::Error &Fault) {
  std::fputs(Fault.text().c_str(), stderr);
  return Fault.exitCode();
}

int main(int Argc, char **Argv) {
  if (Argc < 3 || !lathe::api()) {
    std::fprintf(stderr, "usage: %s MODEL.gguf PROMPT [TOKENS]\n", Argv[0]);
    return 2;
  }
  auto Model = lathe::Model::open(Argv[1]);
  if (!Model)
    return fail(Model.error());
  auto Session = Model->createSession();
  auto Prompt = Model->tokenize(Argv[2]);
  if (!Session || !Prompt)
    return fail(Session ? Prompt.error() : Session.error());
  auto Options = lathe::options<lathe::GenerateOptions>();
  Options.max_tokens = Argc > 3 ? std::atol(Argv[3]) : 16;
  auto Done = Session->generate(*Prompt, Options, [](int32_t, std::string_view Text) {
    return std::fwrite(Text.data(), 1, Text.size(), stdout) == Text.size();
  });
  if (!Done)
    return fail(Done.error());
  std::printf("\n");
  return 0;
}
