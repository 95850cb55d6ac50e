//===- Tokenize.cpp - lathe tokenize ----------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/ModelArguments.h"

#include "runtime/tokenizer/FolderTokenizer.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class TokenizeCommand final : public Command {
public:
  void declare(Options &Accepted) override {
    Accepted.positional(Path, "MODEL",
                        "a GGUF file, what 'lathe compile' made of one, or a model folder", true);
    Accepted.positional(Text.Argument, "TEXT", "the text", false);
    Accepted.text(Text.Prompt, "-p,--prompt", "TEXT", "the text, as a flag");
    Accepted.text(Text.File, "-f,--file", "FILE", "the text, from a file (- is standard input)");
    Accepted.flag(NoBos, "--no-bos", "add no start and end tokens");
  }
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  std::optional<std::string> Path;
  TextArguments Text;
  bool NoBos = false;
};
} // namespace

static std::unique_ptr<Tokenizer> openTokenizer(const std::string &Path, Diagnostics &Diags) {
  ModelInput Input = openAnyInput(Path, "", Diags);
  if (Input.Folder)
    return createFolderTokenizer(*Input.Folder, Diags);
  return Input.File ? Tokenizer::create(*Input.File, Diags) : nullptr;
}

void TokenizeCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (Text.count() != 1)
    Diags.error(Text.count() == 0 ? 108 : 111, "lathe tokenize",
                "found " + std::to_string(Text.count()) +
                    " texts, expected one of TEXT, -p and -f");
  if (Diags.hasErrors())
    return;
  std::optional<std::string> Words = Text.read(Diags);
  std::unique_ptr<Tokenizer> Vocabulary = openTokenizer(*Path, Diags);
  if (!Words || !Vocabulary)
    return;
  std::string Line;
  for (int32_t Id : Vocabulary->encode(*Words, {!NoBos, true}))
    Line += (Line.empty() ? "" : " ") + std::to_string(Id);
  Term.out(Line + "\n");
}

static CommandRegistration Registered({
    "tokenize",
    "print the token ids of a text",
    "  lathe tokenize model.gguf \"Hello world\"\n"
    "  lathe tokenize model.gguf -f story.txt --no-bos\n"
    "  lathe logits model.gguf --tokens \"$(lathe tokenize model.gguf hi)\" -o hi.npy\n",
    createCommand<TokenizeCommand>,
});
