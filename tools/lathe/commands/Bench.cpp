//===- Bench.cpp - lathe bench ----------------------------------------------===//
//
// Prefill and decode speed, measured as llama-bench does: random tokens, a
// warm-up, then repetitions of the steps alone, without sampling.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/BenchReport.h"
#include "tools/lathe/Command.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/ModelSummary.h"
#include "tools/lathe/OutputFile.h"
#include "tools/lathe/Pictures.h"

#include "runtime/session/HostCPU.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <random>

using namespace lathe;
using namespace lathe::cli;

namespace {
class BenchCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  std::vector<BenchTest> plannedTests() const;
  BenchSubject describe(const Model &Source) const;
  void runKernels(Terminal &Term, Diagnostics &Diags) const;

  ModelArguments Arguments;
  std::optional<std::string> Plot;
  bool Kernels = false;
  std::optional<int64_t> Prompt, Generate, Depth, Repetitions;
  std::string Format = "md";
};

/// Runs tests on one session.  Tokens differ from repetition to repetition, but
/// are the same in every process.
class Bencher {
public:
  explicit Bencher(Session &Run) : Run(Run), Logits(static_cast<size_t>(Run.vocabulary())) {}

  /// Fills the sequence up to `Depth` positions.
  bool fill(int64_t Depth, Diagnostics &Diags);
  /// One repetition; the time of its steps, or nullopt on error.
  std::optional<uint64_t> repeat(const BenchTest &Test, Diagnostics &Diags);

private:
  /// One step with `Rows` new tokens, of which the last wants logits.
  bool step(int64_t Rows, Diagnostics &Diags);

  Session &Run;
  std::vector<float> Logits;
  std::vector<Row> Rows;
  std::mt19937 Random{20240229};
};
} // namespace

bool Bencher::step(int64_t Count, Diagnostics &Diags) {
  std::uniform_int_distribution<int32_t> Token(0, static_cast<int32_t>(Run.vocabulary() - 1));
  Rows.clear();
  for (int64_t I = 0; I < Count; ++I)
    Rows.push_back({Token(Random), static_cast<int32_t>(Run.length(0) + I), 0, I + 1 == Count});
  return Run.step(Rows, Logits.data(), Diags);
}

bool Bencher::fill(int64_t Depth, Diagnostics &Diags) {
  int64_t Missing = Depth - Run.length(0);
  if (Missing > 0)
    return step(Missing, Diags);
  Run.truncate(0, Depth);
  return true;
}

std::optional<uint64_t> Bencher::repeat(const BenchTest &Test, Diagnostics &Diags) {
  if (!fill(Test.Depth, Diags))
    return std::nullopt;
  auto Start = std::chrono::steady_clock::now();
  if (Test.Prompt != 0 && !step(Test.Prompt, Diags))
    return std::nullopt;
  for (int64_t I = 0; I < Test.Generate; ++I)
    if (!step(1, Diags))
      return std::nullopt;
  auto Time = std::chrono::steady_clock::now() - Start;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Time).count();
}

static std::string currentTime() {
  std::time_t Now = std::time(nullptr);
  std::tm Parts{};
  gmtime_r(&Now, &Parts);
  char Buffer[32];
  size_t Length = std::strftime(Buffer, sizeof(Buffer), "%Y-%m-%dT%H:%M:%SZ", &Parts);
  return std::string(Buffer, Length);
}

void BenchCommand::declare(Options &Accepted) {
  constexpr int64_t Most = int64_t(1) << 24;
  Arguments.declareModel(Accepted);
  Accepted.integer(Prompt, "-p,--n-prompt", "tokens of the prefill test (512; 0: none)", {0, Most});
  Accepted.integer(Generate, "-n,--n-gen", "tokens of the decode test (128; 0: none)", {0, Most});
  Accepted.integer(Depth, "-d,--n-depth", "positions filled before each test (0)", {0, Most});
  Accepted.integer(Repetitions, "-r,--repetitions", "repetitions (5)", {1, 10000});
  Accepted.flag(Kernels, "--kernels", "time every kernel alone beside the machine's limit");
  Accepted.text(Plot, "--plot", "FILE", "with --kernels: draw their roofline as SVG");
  Accepted.choice(Format, "-o,--output", {"md", "json", "csv"}, "format");
  Arguments.declareLayers(Accepted);
  Arguments.declareFlags(Accepted);
}

std::vector<BenchTest> BenchCommand::plannedTests() const {
  std::vector<BenchTest> Tests;
  BenchTest Test;
  Test.Depth = Depth.value_or(0);
  Test.Prompt = Prompt.value_or(512);
  if (Test.Prompt != 0)
    Tests.push_back(Test);
  Test.Prompt = 0;
  Test.Generate = Generate.value_or(128);
  if (Test.Generate != 0)
    Tests.push_back(Test);
  return Tests;
}

BenchSubject BenchCommand::describe(const Model &Source) const {
  const Manifest &Code = Source.manifest();
  BenchSubject Subject;
  Subject.ModelFilename = *Arguments.Path;
  Subject.ModelType = modelType(Source.file());
  Subject.ModelBytes = Source.file().fileBytes();
  Subject.Parameters = countParameters(Source.file());
  Subject.Threads = Source.workers().workers();
  Subject.BatchRows = Arguments.Chunk.value_or(Code.Entries.back().MaxRows);
  Subject.Backend = Source.device().Backend;
  Subject.GPU = Source.device().GPU;
  Subject.CPU = hostDescription();
  Subject.Compiler = Code.Compiler;
  Subject.Target = Code.Target;
  Subject.Precision = Code.Precision;
  Subject.KVType = Code.KVType;
  return Subject;
}

/// A warm-up that is not counted, then `Repetitions`.
static bool runTest(Bencher &Bench, BenchTest &Test, int64_t Repetitions, Terminal &Term,
                    Diagnostics &Diags) {
  Test.Time = currentTime();
  for (int64_t I = -1; I < Repetitions; ++I) {
    Term.progress(Test.name() +
                  (I < 0 ? ": warm-up"
                         : ": " + std::to_string(I + 1) + " of " + std::to_string(Repetitions)));
    std::optional<uint64_t> Time = Bench.repeat(Test, Diags);
    if (!Time)
      return false;
    if (I >= 0)
      Test.Nanoseconds.push_back(*Time);
  }
  return true;
}

void BenchCommand::runKernels(Terminal &Term, Diagnostics &Diags) const {
  if (Prompt || Generate || Repetitions || Arguments.Chunk || Format == "csv" ||
      Arguments.Device != "cpu")
    Diags.error(111, "lathe bench",
                "found --kernels with -p, -n, -r, --chunk, --device or -o csv, expected it without "
                "them");
  if (Plot && *Plot != "-" && !Plot->ends_with(".svg"))
    Diags.error(103, "--plot", "found '" + *Plot + "', expected a name that ends in .svg");
  if (Diags.hasErrors())
    return;
  ModelInput Input = Arguments.openFile(Diags);
  const std::unique_ptr<GGUFFile> &File = Input.File;
  if (File && Input.Compiled) {
    Diags.error(111, *Arguments.Path,
                "found --kernels with a compiled model, expected its GGUF file");
    return;
  }
  std::unique_ptr<OutputFile> Picture;
  if (File && Plot)
    Picture = OutputFile::open(*Plot, *Arguments.Path, Term, Diags);
  if (!File || (Plot && !Picture))
    return;
  std::optional<KernelTimes> Times = timeKernels(*File, Arguments, Depth.value_or(0), Term, Diags);
  if (!Times)
    return;
  if (Picture) {
    std::string Text = drawRoofline(*Times).take(pictureStyle());
    if (!Picture->write({reinterpret_cast<const uint8_t *>(Text.data()), Text.size()}, Diags) ||
        !Picture->finish(Diags))
      return;
  }
  Term.out(Format == "json" ? scheduleJson(Times->Plan, Times->Machine) : kernelTable(*Times));
}

void BenchCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (Kernels)
    return runKernels(Term, Diags);
  if (Plot)
    Diags.error(111, "lathe bench", "found --plot without --kernels, expected both");
  if (Diags.hasErrors())
    return;
  std::vector<BenchTest> Tests = plannedTests();
  if (Tests.empty()) {
    Diags.error(111, "lathe bench", "found -p 0 and -n 0, expected at least one test");
    return;
  }
  int64_t Longest = 0;
  for (const BenchTest &Each : Tests)
    Longest = std::max(Longest, Each.Depth + Each.Prompt + Each.Generate);
  std::optional<LoadedModel> Loaded =
      Arguments.load(Arguments.openFile(Diags), 1, Longest, Term, Diags);
  if (!Loaded)
    return;
  Bencher Bench(*Loaded->Run);
  for (BenchTest &Test : Tests)
    if (!runTest(Bench, Test, Repetitions.value_or(5), Term, Diags))
      return;
  BenchSubject Subject = describe(*Loaded->Source);
  Term.out(Format == "json"  ? benchJson(Subject, Tests)
           : Format == "csv" ? benchCsv(Subject, Tests)
                             : benchMarkdown(Subject, Tests));
}

static CommandRegistration Registered({
    "bench",
    "measure prefill and decode speed",
    "  lathe bench model.gguf -t 2                  pp512 and tg128, as a table\n"
    "  lathe bench model.gguf -p 0 -n 64 -d 1024    decode after 1024 positions\n"
    "  lathe bench model.gguf -r 10 -o json         llama-bench's field names\n"
    "  lathe bench model.gguf --kernels --plot roofline.svg\n",
    createCommand<BenchCommand>,
});
