//===- Compile.cpp - lathe compile ------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/CompiledOutput.h"
#include "tools/lathe/ModelArguments.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

namespace {
class CompileCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  bool checkArguments(Diagnostics &Diags) const;
  const OutputKind *findKind(Diagnostics &Diags) const;
  std::vector<std::string> targets() const;

  std::optional<std::string> Input, Output, Targets;
  std::string Precision = "auto", KVType = "auto", Emit, Kind;
  std::optional<std::string> Passes, ReproducerFolder;
  bool Embed = false, External = false;
  bool VerifyEachPass = false, Statistics = false, Timing = false;
};
} // namespace

void CompileCommand::declare(Options &Accepted) {
  Accepted.positional(Input, "INPUT", "a GGUF file, or MLIR printed at a stage", true);
  Accepted.text(Output, "-o,--output", "FILE", "where the result goes; - is standard output");
  Accepted.choice(Kind, "--kind", {"artefact", "executable", "library", "object"},
                  "what to make, where FILE's suffix (.lathe, none, .so, .o) does not say it");
  Accepted.choice(Emit, "--emit",
                  {"mlir:import", "mlir:fused", "mlir:precision", "mlir:scheduled", "mlir:planned",
                   "mlir:kernels", "llvm", "asm", "obj", "schedule"},
                  "stop at a stage and print it");
  Accepted.choice(Precision, "--precision", {"auto", "f32", "bf16", "int8"}, "arithmetic");
  declareKVType(Accepted, KVType);
  Accepted.text(Targets, "--target", "LIST",
                "CPUs, as \"host\" or \"x86-64-v3,x86-64-v4\"; the best is chosen when it runs");
  Accepted.flag(Embed, "--embed-weights", "put the weights into the artefact or executable");
  Accepted.flag(External, "--external-weights", "leave them in INPUT, found by its name (default)");
  Accepted.flag(VerifyEachPass, "--verify-each-pass", "compare before and after every pass");
  Accepted.flag(Statistics, "--statistics", "print what the passes counted");
  Accepted.text(Passes, "--passes", "LIST", "passes to run first, named as lathe-opt names them");
  Accepted.text(ReproducerFolder, "--reproducer-dir", "DIR",
                "where a fault of lathe leaves its reproducer ($TMPDIR, /tmp)");
  Accepted.flag(Timing, "--timing", "print how long each pass took");
}

std::vector<std::string> CompileCommand::targets() const {
  std::vector<std::string> List;
  std::string_view Rest = Targets ? std::string_view(*Targets) : "host";
  while (true) {
    size_t End = std::min(Rest.find(','), Rest.size());
    std::string_view Piece = Rest.substr(0, End);
    // One of the sizes behind a name, "x86-64-v3:row-tile=3,row-chunk=32".
    if (!List.empty() && Piece.find('=') < Piece.find(':'))
      List.back().append(",").append(Piece);
    else
      List.emplace_back(Piece);
    if (End == Rest.size())
      return List;
    Rest.remove_prefix(End + 1);
  }
}

/// What to make when there is no --emit.
const OutputKind *CompileCommand::findKind(Diagnostics &Diags) const {
  const OutputKind *Found = Kind.empty() ? outputKindOf(*Output) : outputKindNamed(Kind);
  if (!Found->Packaged && (Embed || External))
    Diags.error(111, "lathe compile",
                "found " + std::string(Embed ? "--embed-weights" : "--external-weights") +
                    ", which is for artefacts and executables");
  if (!Found->Packaged && targets().size() > 1)
    Diags.error(111, "lathe compile",
                "found " + std::to_string(targets().size()) +
                    " targets, expected one but for artefacts and executables");
  if (Found->Packaged && isStageText(*Input))
    Diags.error(111, "lathe compile",
                "found MLIR, expected a model file: artefacts and executables carry its tokenizer",
                "name the output .so or .o");
  return Diags.hasErrors() ? nullptr : Found;
}

bool CompileCommand::checkArguments(Diagnostics &Diags) const {
  if (!Output)
    Diags.error(108, "lathe compile", "found no -o, expected the name of a file to write",
                "'-o -' is standard output");
  if (Output == "-" && Emit.empty())
    Diags.error(111, "lathe compile", "found '-o -' without --emit, expected the name of a file");
  if (!Emit.empty() && (!Kind.empty() || Embed || External || targets().size() > 1))
    Diags.error(111, "lathe compile",
                "found --emit beside what is for whole programs: --kind, --embed-weights, "
                "--external-weights or several targets");
  if (Embed && External)
    Diags.error(111, "lathe compile", "found --embed-weights and --external-weights");
  return !Diags.hasErrors();
}

void CompileCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (!checkArguments(Diags))
    return;
  const OutputKind *Wanted = Emit.empty() ? findKind(Diags) : outputKindNamed("object");
  if (!Wanted)
    return;
  std::unique_ptr<OutputFile> File = OutputFile::open(*Output, *Input, Term, Diags, Wanted->Mode);
  if (!File)
    return;
  Term.progress("compiling " + *Input + " ...");
  PackageOptions Options;
  Options.Compile.Input = *Input;
  Options.Compile.Precision = Precision;
  Options.Compile.KVType = KVType;
  Options.Compile.Emit = Emit;
  Options.Compile.VerifyEachPass = VerifyEachPass;
  Options.Compile.Passes = Passes.value_or("");
  Options.Compile.ReproducerFolder = ReproducerFolder.value_or("");
  Options.Compile.Timing = Timing;
  Options.Targets = targets();
  Options.EmbedWeights = Embed;
  Options.ScratchPath = *Output;
  if (Statistics)
    Options.OnCompiled = [&](const CompileResult &Each) { Term.err(Each.statistics()); };
  if (Wanted->Write(Options, *File, Diags))
    File->finish(Diags);
}

static CommandRegistration Registered({
    "compile",
    "compile a model, or stop half way and print",
    "  lathe compile model.gguf -o model.lathe            for 'lathe run model.lathe'\n"
    "  lathe compile model.gguf -o model --embed-weights  a program: ./model \"Hello\"\n"
    "  lathe compile model.gguf -o model.lathe --target x86-64-v3,x86-64-v4\n"
    "  lathe compile model.gguf -o model.so               a shared library\n"
    "  lathe compile model.gguf --emit mlir:import -o -   the model, readable\n"
    "  lathe compile fused.mlir --emit asm -o model.s     go on from a stage\n",
    createCommand<CompileCommand>,
});
