//===- Compile.cpp - lathe compile ------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/OutputKind.h"
#include "tools/lathe/outputs/ModuleImage.h"

#include "runtime/adaptive/Calibration.h"

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
  OutputRequest request() const;
  bool addMeasured(CompileRequest &Request, Diagnostics &Diags) const;

  std::optional<std::string> Input, Output, Entry;
  std::string Targets = "host";
  std::string Precision = "auto", KVType = "auto", Emit, Kind;
  std::optional<double> Width;
  std::optional<std::string> Layers, Skip, Passes, ReproducerFolder, CalibrationPath;
  bool Embed = false, External = false;
  bool VerifyEachPass = false, Statistics = false, Timing = false;
};
} // namespace

/// A name that C can declare.
static std::optional<std::string> checkEntry(const std::string &Name) {
  constexpr const char *Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  bool Sound = !Name.empty() && Name.size() <= MaxEntryName &&
               !(Name[0] >= '0' && Name[0] <= '9') &&
               Name.find_first_not_of(Letters) == std::string::npos;
  return Sound ? std::nullopt
               : std::optional<std::string>("expected the name of a C function, of at most " +
                                            std::to_string(MaxEntryName) +
                                            " letters, digits and '_'");
}

void CompileCommand::declare(Options &Accepted) {
  Accepted.positional(Input, "INPUT", "a GGUF file, a folder, or MLIR printed at a stage", true);
  Accepted.text(Output, "-o,--output", "FILE", "where the result goes; - is standard output");
  std::vector<std::string> Kinds;
  for (const OutputKind &Each : Registry<OutputKind>::all())
    Kinds.emplace_back(Each.Name);
  Accepted.choice(Kind, "--kind", Kinds,
                  "what to make, where FILE's suffix (.lathe, none, .so, .o) does not say it");
  Accepted.checked(Entry, "--entry", "NAME", "the function that a library exports (lathe_get_api)",
                   checkEntry);
  Accepted.choice(Emit, "--emit",
                  {"mlir:import", "mlir:fused", "mlir:precision", "mlir:scheduled", "mlir:planned",
                   "mlir:kernels", "llvm", "asm", "obj", "ptx", "cubin", "resources", "schedule"},
                  "stop at a stage and print it");
  Accepted.choice(Precision, "--precision", {"auto", "f32", "bf16", "mixed", "int16", "int8"},
                  "arithmetic");
  declareKVType(Accepted, KVType);
  declareTarget(
      Accepted, Targets, "LIST",
      "CPUs, as \"host\" or \"x86-64-v3,x86-64-v4\": the best is chosen when it runs; or a "
      "GPU, as \"sm_80\"");
  Accepted.flag(Embed, "--embed-weights", "put the weights into FILE, not for .o");
  Accepted.flag(External, "--external-weights", "leave them in INPUT, found by its name (default)");
  Accepted.text(Layers, "--layers", "LIST", "compile these layers alone, as in 0-20,25 (all)");
  Accepted.text(Skip, "--skip", "LIST", "compile all layers but these (none)");
  Accepted.number(Width, "--width", "let steps choose a share of the neurons; X unless they do",
                  {0, 1});
  Accepted.text(CalibrationPath, "--cal", "FILE",
                "with what 'lathe calibrate' wrote, and its exits");
  Accepted.flag(VerifyEachPass, "--verify-each-pass", "compare before and after every pass");
  Accepted.flag(Statistics, "--statistics", "print what the passes counted");
  Accepted.text(Passes, "--passes", "LIST", "passes to run first, named as lathe-opt names them");
  Accepted.text(ReproducerFolder, "--reproducer-dir", "DIR",
                "for reproducers of faults ($TMPDIR, /tmp)");
  Accepted.flag(Timing, "--timing", "print how long each pass took");
}

/// What to make when there is no --emit.
const OutputKind *CompileCommand::findKind(Diagnostics &Diags) const {
  bool FromStageText = isStageText(*Input);
  const OutputKind *Found =
      Kind.empty() ? outputKindOf(*Output, FromStageText) : Registry<OutputKind>::find(Kind);
  if (!Found || (Found->Packaged && FromStageText)) {
    Diags.error(111, "lathe compile",
                "found MLIR, expected a model file: what is made carries its tokenizer",
                "name the output .so or .o, which hold code alone");
    return nullptr;
  }
  if (!Found->Packaged && (Embed || External))
    Diags.error(111, "lathe compile",
                "found " + std::string(Embed ? "--embed-weights" : "--external-weights") +
                    ", which is for artefacts, executables and libraries of a model");
  if (size_t Count = splitTargets(Targets).size(); !Found->Packaged && Count > 1)
    Diags.error(111, "lathe compile",
                "found " + std::to_string(Count) +
                    " targets, expected one but for artefacts, executables and libraries");
  if (Entry && !Found->HasEntry)
    Diags.error(111, "lathe compile", "found --entry, which is for libraries of a model");
  return Diags.hasErrors() ? nullptr : Found;
}

bool CompileCommand::checkArguments(Diagnostics &Diags) const {
  if (!Output)
    Diags.error(108, "lathe compile", "found no -o, expected the name of a file to write",
                "'-o -' is standard output");
  if (Output == "-" && Emit.empty())
    Diags.error(111, "lathe compile", "found '-o -' without --emit, expected the name of a file");
  if (!Emit.empty() &&
      (!Kind.empty() || Entry || Embed || External || splitTargets(Targets).size() > 1))
    Diags.error(111, "lathe compile",
                "found --emit beside what is for whole programs: --kind, --entry, --embed-weights, "
                "--external-weights or several targets");
  if (Embed && External)
    Diags.error(111, "lathe compile", "found --embed-weights and --external-weights");
  return !Diags.hasErrors();
}

OutputRequest CompileCommand::request() const {
  OutputRequest Request;
  Request.Path = *Output;
  Request.Entry = Entry.value_or("");
  PackageOptions &Options = Request.Package;
  Options.Compile.Input = *Input;
  Options.Compile.Precision = Precision;
  Options.Compile.KVType = KVType;
  Options.Compile.Emit = Emit;
  Options.Compile.VerifyEachPass = VerifyEachPass;
  Options.Compile.Layers = Layers.value_or("");
  Options.Compile.Skip = Skip.value_or("");
  Options.Compile.Passes = Passes.value_or("");
  Options.Compile.ReproducerFolder = ReproducerFolder.value_or("");
  Options.Compile.Timing = Timing;
  Options.Targets = splitTargets(Targets);
  Options.EmbedWeights = Embed;
  Options.ScratchPath = *Output;
  return Request;
}

/// For what carries no model: of --cal it has the exits, and the order of neurons, alone.
bool CompileCommand::addMeasured(CompileRequest &Request, Diagnostics &Diags) const {
  if (!CalibrationPath) {
    if (Width)
      addWidths(Request, nullptr, *Width);
    return true;
  }
  if (ModelFolder::matches(*Input)) {
    Diags.error(111, "lathe compile",
                "found --cal beside code alone, expected an artefact, a program or a library: a "
                "classifier is beside an encoder's graph");
    return false;
  }
  // A text does not say which model it was.
  std::unique_ptr<GGUFFile> File = isStageText(*Input) ? nullptr : GGUFFile::open(*Input, Diags);
  std::optional<Calibration> Measured;
  if (!Diags.hasErrors())
    Measured = Calibration::open(*CalibrationPath, Diags);
  if (!Measured || (File && !Measured->checkModel(File->headerBytes(), *CalibrationPath, Diags)))
    return false;
  if (Measured->passes().empty() && !Width)
    Diags.error(847, *CalibrationPath, "found no exits, expected one at least",
                "'lathe calibrate --exits LIST' fits some");
  if (Width)
    addWidths(Request, &*Measured, *Width);
  addExits(Request, *Measured);
  return !Diags.hasErrors();
}

void CompileCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (!checkArguments(Diags))
    return;
  const OutputKind *Wanted = Emit.empty() ? findKind(Diags) : Registry<OutputKind>::find("object");
  if (!Wanted)
    return;
  std::unique_ptr<OutputFile> File = OutputFile::open(*Output, *Input, Term, Diags, Wanted->Mode);
  if (!File)
    return;
  Term.progress("compiling " + *Input + " ...");
  OutputRequest Request = request();
  if (Wanted->Packaged) {
    Request.Package.CalibrationPath = CalibrationPath.value_or("");
    Request.Package.Width = Width;
  } else if (!addMeasured(Request.Package.Compile, Diags)) {
    return;
  }
  if (Statistics)
    Request.Package.OnCompiled = [&](const CompileResult &Each) { Term.err(Each.statistics()); };
  if (Wanted->Write(Request, *File, Diags))
    File->finish(Diags);
}

static CommandRegistration Registered({
    "compile",
    "compile a model, or stop half way and print",
    "  lathe compile model.gguf -o model.lathe            for 'lathe run model.lathe'\n"
    "  lathe compile model.gguf -o model --embed-weights  a program: ./model \"Hello\"\n"
    "  lathe compile model.gguf -o model.lathe --target x86-64-v3,x86-64-v4\n"
    "  lathe compile model.gguf -o model.so               a C library, model.h\n"
    "  lathe compile minilm --cal topics.cal -o topics    ./topics \"A chess program\"\n"
    "  lathe compile model.gguf --emit mlir:import -o -   the model, readable\n"
    "  lathe compile model.gguf --target sm_80 --emit ptx -o model.ptx\n"
    "  lathe compile fused.mlir --emit asm -o model.s     go on from a stage\n",
    createCommand<CompileCommand>,
});
