//===- Calibrate.cpp - lathe calibrate --------------------------------------===//
//
// Measures where a model can do less, and what that is worth.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/CalibrateTask.h"
#include "tools/lathe/Command.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class CalibrateCommand final : public Command {
public:
  CalibrateCommand() {
    for (const CalibrateTaskKind &Each : Registry<CalibrateTaskKind>::all())
      Tasks.emplace_back(Each.Name, Each.Create());
  }
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  std::vector<std::pair<std::string, std::unique_ptr<CalibrateTask>>> Tasks;
  CalibrateArguments Arguments;
  std::string Task = "generate";
};
} // namespace

void CalibrateCommand::declare(Options &Accepted) {
  Arguments.Model.declareModel(Accepted);
  std::vector<std::string> Names;
  for (const auto &[Name, Each] : Tasks)
    Names.push_back(Name);
  Accepted.choice(Task, "--task", Names, "what the model is for");
  Accepted.text(Arguments.Output, "-o,--output", "FILE", "what --cal takes (- is standard output)");
  Accepted.number(Arguments.Gain, "--gain", "refuse what is not so much faster (0.05)", {0, 10});
  Accepted.flag(Arguments.AsJson, "--json", "print JSON");
  for (const auto &[Name, Each] : Tasks)
    Each->declare(Accepted);
  Arguments.Model.declareFlags(Accepted);
}

void CalibrateCommand::run(Terminal &Term, Diagnostics &Diags) {
  for (const auto &[Name, Each] : Tasks)
    if (Name == Task)
      Each->run(Arguments, Term, Diags);
}

static CommandRegistration Registered({
    "calibrate",
    "measure where a model can do less",
    "  lathe calibrate model.gguf -f book.txt -o model.cal\n"
    "  lathe run model.gguf \"Hello\" --cal model.cal --budget 0.9\n"
    "  lathe calibrate minilm --task classify --train a.tsv --test b.tsv -o x.cal\n",
    createCommand<CalibrateCommand>,
});
