//===- Inspect.cpp - lathe inspect ------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/GpuKernels.h"
#include "tools/lathe/Inspection.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/OutputFile.h"
#include "tools/lathe/Pictures.h"

#include "runtime/classify/ClassifierFile.h"
#include "runtime/session/CompilerLibrary.h"
#include "runtime/tokenizer/ChatFormat.h"
#include "runtime/tokenizer/FolderTokenizer.h"
#include "runtime/tokenizer/Tokenizer.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class InspectCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  bool checkFlags(Diagnostics &Diags) const;
  /// A page shows what kernels take, unless it is told of another machine.
  bool measures() const { return Measure || (Html && !Machine && !NoMeasure); }
  Inspection inspectModel(const ModelInput &Input, Diagnostics &Diags) const;
  void addProgram(const GGUFFile &File, Inspection &Facts, Diagnostics &Diags) const;
  bool addCompiled(const CompiledModel &Compiled, Inspection &Facts, Diagnostics &Diags) const;
  Inspection inspectEncoder(const ModelInput &Input, Diagnostics &Diags) const;
  std::optional<KernelTimes> findSchedule(const GGUFFile &File, Terminal &Term,
                                          Diagnostics &Diags) const;
  bool showsGpu() const { return ShowSchedule && isGpuTarget(Arguments.Compile.Target); }
  void printGpu(const GGUFFile &File, Terminal &Term, Diagnostics &Diags) const;

  ModelArguments Arguments;
  std::optional<int64_t> Depth;
  std::optional<std::string> Machine, Html;
  bool Json = false, ShowSchedule = false, Measure = false, NoMeasure = false;
};
} // namespace

void InspectCommand::declare(Options &Accepted) {
  Accepted.positional(Arguments.Path, "FILE",
                      "a GGUF or safetensors file, or what 'lathe compile' made of a model", true);
  Accepted.flag(Json, "--json", "print JSON");
  Accepted.flag(ShowSchedule, "--schedule", "what the compiler decided, and what it should cost");
  Accepted.text(Html, "--html", "OUT", "write a page: graph, memory plan, measured kernels");
  Accepted.flag(Measure, "--measure", "with --schedule: time every kernel, too");
  Accepted.flag(NoMeasure, "--no-measure", "with --html: predict alone");
  Accepted.text(Machine, "--machine", "JSON", "choose and predict for these numbers of a machine");
  Accepted.integer(Depth, "-d,--n-depth", "positions ahead of the steps that are told (0)",
                   {0, int64_t(1) << 20});
  Accepted.integer(Arguments.Threads, "-t,--threads", "worker threads (all cores)",
                   {1, WorkerPool::MaxWorkers});
  Accepted.integer(Arguments.Context, "--ctx",
                   "positions to count memory for (the model's context)", {1, int64_t(1) << 30});
  Arguments.Compile.declare(Accepted);
  Accepted.flag(Arguments.NoCache, "--no-cache", "compile anew, store nothing");
}

/// The program comes from the cache where it can; it may be one for a CPU that is
/// not ours.  No weight is read.
void InspectCommand::addProgram(const GGUFFile &File, Inspection &Facts, Diagnostics &Diags) const {
  ModelOptions Options;
  Options.Target = Arguments.Compile.Target;
  Options.Precision = Arguments.Compile.Precision;
  Options.KVType = Arguments.Compile.KVType;
  Options.UseCache = !Arguments.NoCache;
  LoadReport Report;
  std::shared_ptr<const Program> Code = Model::loadProgram(File, Options, Report, Diags);
  if (!Code)
    return;
  Facts.Target = Code->manifest().Target;
  Facts.Precision = Code->manifest().Precision;
  Facts.KVType = Code->manifest().KVType;
  Facts.Memory =
      memoryNeed(Code->manifest(), static_cast<uint64_t>(Arguments.Context.value_or(0)), 1);
}

/// What an artefact says of itself: it may be one for other CPUs than ours.
bool InspectCommand::addCompiled(const CompiledModel &Compiled, Inspection &Facts,
                                 Diagnostics &Diags) const {
  const Manifest &First = Compiled.targets().front();
  Facts.Artefact = Compiled.path();
  Facts.Compiler = First.Compiler;
  Facts.Precision = First.Precision;
  Facts.KVType = First.KVType;
  Facts.Weights = Compiled.hasWeights() ? "embedded" : Compiled.source().Path;
  for (size_t I = 0; I < Compiled.targets().size(); ++I) {
    const std::string &Name = Compiled.targets()[I].Target;
    Facts.Copies.push_back({Name, Compiled.codeBytes(I)});
    Facts.Target += (I == 0 ? "" : ", ") + Name;
  }
  Facts.Memory = memoryNeed(First, static_cast<uint64_t>(Arguments.Context.value_or(0)), 1);
  if (std::shared_ptr<const Calibration> Measured = Compiled.calibration()) {
    Facts.Calibrated = CalibrationFacts{Measured->Points.size(), Measured->ExitLayers};
    return true;
  }
  if (Compiled.calibrationBytes().empty())
    return true;
  std::optional<ClassifierFile> Own =
      ClassifierFile::read(Compiled.calibrationBytes(), Compiled.path(), Diags);
  if (Own)
    Facts.Labels = std::move(Own->Labels);
  return Own.has_value();
}

/// An encoder comes here compiled alone: its folder is no file.
Inspection InspectCommand::inspectEncoder(const ModelInput &Input, Diagnostics &Diags) const {
  Inspection Facts = inspectFolder(*Input.Folder);
  std::unique_ptr<Tokenizer> Vocabulary = createFolderTokenizer(*Input.Folder, Diags);
  if (Vocabulary) {
    Facts.TokenizerModel = Input.Folder->has("tokenizer.json") ? "tokenizer.json" : "vocab.txt";
    Facts.Tokens = static_cast<uint64_t>(Vocabulary->vocabularySize());
  }
  addCompiled(*Input.Compiled, Facts, Diags);
  return Facts;
}

bool InspectCommand::checkFlags(Diagnostics &Diags) const {
  bool Planned = ShowSchedule || Html;
  if (!Planned && (Measure || Machine || Depth))
    Diags.error(111, "lathe inspect",
                "found --measure, --machine or --n-depth without --schedule or --html, expected "
                "one of both");
  if (NoMeasure && (Measure || !Html))
    Diags.error(
        111, "lathe inspect",
        "found --no-measure with --measure or without --html, expected it with --html alone");
  if (Measure && Machine)
    Diags.error(111, "lathe inspect", "found --measure and --machine, expected one of both",
                "what is measured is held against the machine that it was measured on");
  if (showsGpu() && (Measure || Machine || Depth || Html))
    Diags.error(111, "lathe inspect",
                "found --measure, --machine, --n-depth or --html with a GPU's --schedule, expected "
                "none of them",
                "the limits of a GPU are those of its data sheet");
  return !Diags.hasErrors();
}

/// What the kernels take of a multiprocessor, and what the phases could take at least.
void InspectCommand::printGpu(const GGUFFile &File, Terminal &Term, Diagnostics &Diags) const {
  std::optional<std::string> Report = askGpuKernels(File.path(), Arguments.Compile, Diags);
  if (Report && !Json)
    Report = gpuKernelsText(*Report, Diags);
  if (Report)
    Term.out(*Report);
}

Inspection InspectCommand::inspectModel(const ModelInput &Input, Diagnostics &Diags) const {
  if (Input.Folder)
    return inspectEncoder(Input, Diags);
  const GGUFFile &File = *Input.File;
  Inspection Facts = inspectFile(File);
  if (!Facts.TokenizerModel.empty())
    Tokenizer::create(File, Diags);
  if (File.findValue("tokenizer.chat_template"))
    if (std::unique_ptr<ChatFormat> Chat = ChatFormat::create(File, Diags))
      Facts.ChatFormat = Chat->name();
  // A build of the runtime alone still tells what is in a file.
  if (Input.Compiled)
    addCompiled(*Input.Compiled, Facts, Diags);
  else if (!CompilerLibrary::locate().empty())
    addProgram(File, Facts, Diags);
  return Facts;
}

/// The schedule on a machine: that of --machine, else this one, and with --measure
/// what it really took.
std::optional<KernelTimes> InspectCommand::findSchedule(const GGUFFile &File, Terminal &Term,
                                                        Diagnostics &Diags) const {
  if (measures())
    return timeKernels(File, Arguments, Depth.value_or(0), Term, Diags);
  std::optional<std::string> Given;
  if (Machine) {
    // What is wrong with it is told before anything is measured.
    Given = readTextFile(*Machine, Diags);
    MachineNumbers Ignored;
    if (!Given || !Ignored.override(*Given, *Machine, Diags))
      return std::nullopt;
  }
  std::unique_ptr<WorkerPool> Workers =
      WorkerPool::create(static_cast<unsigned>(Arguments.Threads.value_or(0)), Diags);
  std::optional<MachineNumbers> Numbers;
  if (Workers)
    Numbers =
        Arguments.NoCache ? measureMachine(*Workers, Diags) : knownMachine(*Workers, &Term, Diags);
  if (!Numbers || (Given && !Numbers->override(*Given, *Machine, Diags)))
    return std::nullopt;
  TargetArguments Wanted = Arguments.Compile;
  if (Given)
    Wanted.Target +=
        (Wanted.Target.find(':') == std::string::npos ? ":" : ",") + Numbers->targetNumbers();
  std::optional<Schedule> Plan =
      askSchedule(File.path(), Wanted, *Numbers, Depth.value_or(0), Diags);
  if (!Plan)
    return std::nullopt;
  return KernelTimes{std::move(*Numbers), std::move(*Plan)};
}

/// A file of another format than a model's; null, with an error or without one,
/// where there is none.
static std::unique_ptr<TensorFile> openTensors(const std::string &Path, Diagnostics &Diags) {
  std::unique_ptr<MappedFile> File = MappedFile::open(Path, Diags);
  const TensorFileFormat *Format = File ? findTensorFileFormat(File->bytes(), Path) : nullptr;
  return Format ? Format->Open(std::move(File), Diags) : nullptr;
}

void InspectCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (!checkFlags(Diags))
    return;
  if (std::unique_ptr<TensorFile> Tensors = openTensors(*Arguments.Path, Diags)) {
    if (ShowSchedule || Html)
      Diags.error(111, *Arguments.Path,
                  "found --schedule or --html with a file of tensors, expected a GGUF file");
    else
      Term.out(inspectTensors(*Tensors, Json));
    return;
  }
  if (Diags.hasErrors())
    return;
  ModelInput Input = openAnyInput(*Arguments.Path, "", Diags);
  const std::unique_ptr<GGUFFile> &File = Input.File;
  bool Planned = ShowSchedule || Html, Found = File || Input.Folder;
  if (Found && Planned && Input.Compiled) {
    Diags.error(111, *Arguments.Path,
                "found --schedule or --html with a compiled model, expected its GGUF file");
    return;
  }
  if (File && showsGpu())
    return printGpu(*File, Term, Diags);
  std::unique_ptr<OutputFile> Page;
  if (Found && Html)
    Page = OutputFile::open(*Html, *Arguments.Path, Term, Diags);
  if (!Found || (Html && !Page))
    return;
  std::optional<KernelTimes> Times;
  if (Planned) {
    Times = findSchedule(*File, Term, Diags);
    if (!Times)
      return;
  }
  if (Html) {
    Inspection Facts = inspectModel(Input, Diags);
    std::string Text = htmlPage(Facts, *Times);
    if (Page->write({reinterpret_cast<const uint8_t *>(Text.data()), Text.size()}, Diags))
      Page->finish(Diags);
  }
  if (ShowSchedule) {
    Term.out(Json ? scheduleJson(Times->Plan, Times->Machine)
                  : scheduleText(Times->Plan, Times->Machine) +
                        (measures() ? "\n" + kernelTable(*Times) : ""));
  } else if (!Html) {
    Inspection Facts = inspectModel(Input, Diags);
    Term.out(Json ? Facts.json() : Facts.text());
  }
}

static CommandRegistration Registered({
    "inspect",
    "say what is in a model file and what it will need",
    "  lathe inspect model.gguf\n"
    "  lathe inspect model.gguf --ctx 4096     memory for 4096 positions\n"
    "  lathe inspect model.gguf --json\n"
    "  lathe inspect model.lathe               and what it was compiled for\n"
    "  lathe inspect weights.safetensors       its tensors and their types\n"
    "  lathe inspect model.gguf --schedule     tiles, precision, predicted time\n"
    "  lathe inspect model.gguf --html out.html  a page, with measured times\n",
    createCommand<InspectCommand>,
});
