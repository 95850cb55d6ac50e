//===- Inspect.cpp - lathe inspect ------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/Inspection.h"
#include "tools/lathe/ModelArguments.h"

#include "runtime/session/CompilerLibrary.h"
#include "runtime/tokenizer/ChatFormat.h"
#include "runtime/tokenizer/Tokenizer.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class InspectCommand final : public Command {
public:
  void declare(Options &Accepted) override {
    Accepted.positional(Path, "FILE", "a GGUF file", true);
    Accepted.flag(Json, "--json", "print JSON");
    Accepted.integer(Context, "--ctx", "positions to count memory for (the model's context)",
                     {1, int64_t(1) << 30});
    Target.declare(Accepted);
  }
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  void addProgram(Inspection &Facts, Diagnostics &Diags) const;

  std::optional<std::string> Path;
  std::optional<int64_t> Context;
  TargetArguments Target;
  bool Json = false;
};
} // namespace

/// Compiles and reads the manifest alone, which also works for a CPU that is not
/// ours.  No weight is read.
void InspectCommand::addProgram(Inspection &Facts, Diagnostics &Diags) const {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return;
  CompileRequest Request;
  Request.Input = *Path;
  Request.Target = Target.Target;
  Request.Precision = Target.Precision;
  std::shared_ptr<CompileResult> Code = Compiler->compile(Request, Diags);
  if (!Code)
    return;
  const auto *Text = static_cast<const char *>(Code->lookup("lathe_manifest"));
  const auto *Size = static_cast<const int64_t *>(Code->lookup("lathe_manifest_size"));
  if (!Text || !Size || *Size < 0) {
    Diags.error(605, *Path, "the program has no manifest");
    return;
  }
  std::optional<Manifest> Program =
      Manifest::parse({Text, static_cast<size_t>(*Size)}, *Path, Diags);
  if (!Program)
    return;
  Facts.Target = Program->Target;
  Facts.Precision = Program->Precision;
  Facts.Memory = memoryNeed(*Program, static_cast<uint64_t>(Context.value_or(0)));
}

void InspectCommand::run(Terminal &Term, Diagnostics &Diags) {
  std::unique_ptr<GGUFFile> File = GGUFFile::open(*Path, Diags);
  if (!File)
    return;
  Inspection Facts = inspectFile(*File);
  if (!Facts.TokenizerModel.empty())
    Tokenizer::create(*File, Diags);
  if (File->findValue("tokenizer.chat_template"))
    if (std::unique_ptr<ChatFormat> Chat = ChatFormat::create(*File, Diags))
      Facts.ChatFormat = Chat->name();
  // A build of the runtime alone still tells what is in a file.
  if (!CompilerLibrary::locate().empty())
    addProgram(Facts, Diags);
  Term.out(Json ? Facts.json() : Facts.text());
}

static CommandRegistration Registered({
    "inspect",
    "say what is in a model file and what it will need",
    "  lathe inspect model.gguf\n"
    "  lathe inspect model.gguf --ctx 4096     memory for 4096 positions\n"
    "  lathe inspect model.gguf --json\n",
    createCommand<InspectCommand>,
});
