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
    Accepted.flag(NoCache, "--no-cache", "compile anew, store nothing");
  }
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  void addProgram(const GGUFFile &File, Inspection &Facts, Diagnostics &Diags) const;

  std::optional<std::string> Path;
  std::optional<int64_t> Context;
  TargetArguments Target;
  bool Json = false, NoCache = false;
};
} // namespace

/// The program comes from the cache where it can; it may be one for a CPU that is
/// not ours.  No weight is read.
void InspectCommand::addProgram(const GGUFFile &File, Inspection &Facts, Diagnostics &Diags) const {
  ModelOptions Options;
  Options.Target = Target.Target;
  Options.Precision = Target.Precision;
  Options.KVType = Target.KVType;
  Options.UseCache = !NoCache;
  LoadReport Report;
  std::shared_ptr<const Program> Code = Model::loadProgram(File, Options, Report, Diags);
  if (!Code)
    return;
  Facts.Target = Code->manifest().Target;
  Facts.Precision = Code->manifest().Precision;
  Facts.KVType = Code->manifest().KVType;
  Facts.Memory = memoryNeed(Code->manifest(), static_cast<uint64_t>(Context.value_or(0)), 1);
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
    addProgram(*File, Facts, Diags);
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
