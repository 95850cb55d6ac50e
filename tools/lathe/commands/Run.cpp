//===- Run.cpp - lathe run --------------------------------------------------===//
//
// Generates text: one answer, or a conversation at a terminal.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/OutputFile.h"
#include "tools/lathe/RunReport.h"

#include "runtime/adaptive/AdaptiveRun.h"
#include "runtime/session/Generator.h"
#include "runtime/support/Text.h"
#include "runtime/tokenizer/ChatFormat.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <algorithm>
#include <limits>
#include <utility>

using namespace lathe;
using namespace lathe::cli;

namespace {
class RunCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  /// All that a run needs, loaded.
  struct Loaded : LoadedModel {
    std::unique_ptr<Tokenizer> Vocabulary;
    std::unique_ptr<ChatFormat> Chat;            ///< Null: continue the text as it is.
    std::shared_ptr<const Calibration> Measured; ///< Of the model; null: nothing.
    std::optional<AdaptiveRun> Depth;
  };

  bool checkArguments(bool AtTerminal, Diagnostics &Diags);
  AdaptiveRequest request() const;
  bool chooseDepth(const ModelInput &Input, Loaded &All, ModelArguments &Wanted,
                   Diagnostics &Diags) const;
  std::optional<Loaded> load(Terminal &Term, Diagnostics &Diags) const;
  std::unique_ptr<ChatFormat> findChatFormat(const GGUFFile &File, Diagnostics &Diags) const;
  GenerateOptions generateOptions() const;
  std::optional<GenerateResult> answer(Loaded &All, std::span<const int32_t> Prompt, Terminal &Term,
                                       Diagnostics &Diags) const;
  bool report(const Loaded &All, const GenerateStats &Stats, Terminal &Term,
              Diagnostics &Diags) const;
  void runOnce(Loaded &All, std::string Text, Terminal &Term, Diagnostics &Diags) const;
  void converse(Loaded &All, Terminal &Term, Diagnostics &Diags) const;

  ModelArguments Arguments;
  TextArguments Text;
  std::optional<int64_t> MaxTokens, TopK, Seed;
  std::optional<double> Temperature, TopP, MinP;
  std::string Speculate = "auto";
  SpeculationChoice Speculation; ///< What that means.
  std::optional<std::string> Exit;
  std::string Head = "auto";
  HeadMode HeadChoice = HeadMode::Auto; ///< What that means.
  std::optional<std::string> JsonPath, CalibrationPath;
  std::optional<double> Budget, Quality, Latency;
  bool Raw = false, ShowStats = false;
};

/// Writes an answer as it comes.  It ends in exactly one newline; a raw one only
/// at a terminal and otherwise is what the model said, byte by byte.
class AnswerWriter {
public:
  AnswerWriter(Terminal &Term, bool Raw) : Term(Term), Verbatim(Raw && !Term.outputIsTerminal()) {}

  bool write(std::string_view Text);
  /// Ends an answer; one that failed before its first word has no line to end.
  void finish(bool Failed);

private:
  Terminal &Term;
  bool Verbatim;
  bool Began = false;
  bool AtLineStart = true;
  std::string Newlines; ///< Written as soon as something follows them.
};
} // namespace

bool AnswerWriter::write(std::string_view Text) {
  Began |= !Text.empty();
  size_t Words = Verbatim ? Text.size() : Text.find_last_not_of('\n') + 1;
  if (Words == 0) {
    Newlines += Text;
    return true;
  }
  AtLineStart = Text[Words - 1] == '\n';
  std::string Now = std::exchange(Newlines, std::string(Text.substr(Words)));
  Now += Text.substr(0, Words);
  // A model's words must not steer the terminal.
  return Term.out(Term.outputIsTerminal() ? escapeControls(Now) : Now);
}

void AnswerWriter::finish(bool Failed) {
  if (!Verbatim && (Began || !Failed))
    Term.out("\n");
  else if (!AtLineStart && Term.outputIsError())
    Term.err("\n");
}

void RunCommand::declare(Options &Accepted) {
  constexpr int64_t Most = int64_t(1) << 30;
  Arguments.declareModel(Accepted);
  Accepted.positional(Text.Argument, "PROMPT", "the text; none at a terminal: a conversation",
                      false);
  Accepted.text(Text.Prompt, "-p,--prompt", "TEXT", "the prompt, as a flag");
  Accepted.text(Text.File, "-f,--file", "FILE", "the prompt, from a file (- is standard input)");
  Accepted.integer(MaxTokens, "-n,--max-tokens", "stop after N tokens (at the model's end)",
                   {0, Most});
  Accepted.flag(Raw, "--raw", "continue the text as it is, no chat format");
  Accepted.number(Temperature, "--temp", "temperature (0: always the likeliest token)", {0, 100});
  Accepted.integer(TopK, "--top-k", "sample from the K likeliest tokens (0: all)", {0, Most});
  Accepted.number(TopP, "--top-p", "sample from the likeliest that sum to X (1)", {0, 1});
  Accepted.number(MinP, "--min-p", "drop tokens below X of the likeliest (0)", {0, 1});
  Accepted.integer(Seed, "--seed", "seed of the sampling (0)", {0, INT64_MAX});
  Accepted.text(Speculate, "--speculate", "HOW",
                "guess tokens, same text: off, auto, ngram (auto)");
  Accepted.text(Head, "--head", "HOW", "the output head, same text: full, screened, auto (auto)");
  Accepted.text(Exit, "--exit", "HOW", "leave layers early: never, always-at:LAYER, threshold:X");
  Accepted.number(Latency, "--latency", "with --cal or thresholds: mean ms of a step, held",
                  {0, 1e6});
  Accepted.text(CalibrationPath, "--cal", "FILE",
                "choose layers and exits by what 'lathe calibrate' wrote");
  Accepted.number(Budget, "--budget", "with --cal: most of its time; with --exit: of its layers",
                  {0, 1});
  Accepted.number(Quality, "--quality", "with --cal: at least X of its answers (0)", {0, 1});
  Accepted.flag(ShowStats, "--stats", "tell more of the run on standard error");
  Accepted.text(JsonPath, "--json", "FILE", "write what --stats tells (- is standard output)");
  Arguments.declareLayers(Accepted);
  Arguments.declareFlags(Accepted);
}

bool RunCommand::checkArguments(bool AtTerminal, Diagnostics &Diags) {
  if (std::optional<SpeculationChoice> How = SpeculationChoice::parse(Speculate, Diags))
    Speculation = *How;
  if (std::optional<HeadMode> How = parseHeadMode(Head, Diags))
    HeadChoice = *How;
  if (Text.count() > 1)
    Diags.error(111, "lathe run",
                "found " + std::to_string(Text.count()) +
                    " prompts, expected one of PROMPT, -p and -f");
  if (Text.count() == 0 && AtTerminal && Raw)
    Diags.error(108, "lathe run", "found no PROMPT, expected one with --raw",
                "without --raw a conversation begins");
  if (CalibrationPath && (Arguments.Layers || Arguments.Skip))
    Diags.error(111, "lathe run", "found --cal beside --layers or --skip, expected one of them");
  return !Diags.hasErrors();
}

AdaptiveRequest RunCommand::request() const {
  return {Arguments.Layers,          Arguments.Skip,     Exit,
          Latency.value_or(0) / 1e3, Budget.value_or(0), Quality.value_or(0)};
}

/// Chooses what of the model runs; it is compiled as `Wanted` says then.
bool RunCommand::chooseDepth(const ModelInput &Input, Loaded &All, ModelArguments &Wanted,
                             Diagnostics &Diags) const {
  All.Measured = openCalibration(CalibrationPath.value_or(""), Input, Diags);
  if (Diags.hasErrors())
    return false;
  All.Depth = AdaptiveRun::choose(request(), All.Measured.get(),
                                  CalibrationPath.value_or(*Arguments.Path), Diags);
  if (!All.Depth)
    return false;
  Wanted.Layers = All.Depth->layersText();
  Wanted.Skip = All.Depth->skipText();
  // What is compiled already has the exits that it has.
  if (All.Depth->mayLeave() && CalibrationPath)
    Wanted.Exits = All.Measured.get();
  return true;
}

/// Null with no error when the text shall be continued as it is.
std::unique_ptr<ChatFormat> RunCommand::findChatFormat(const GGUFFile &File,
                                                       Diagnostics &Diags) const {
  if (Raw || !File.findValue("tokenizer.chat_template"))
    return nullptr;
  return ChatFormat::create(File, Diags);
}

std::optional<RunCommand::Loaded> RunCommand::load(Terminal &Term, Diagnostics &Diags) const {
  Loaded All;
  ModelInput Input = Arguments.openFile(Diags);
  if (!Input.File)
    return std::nullopt;
  All.Vocabulary = Tokenizer::create(*Input.File, Diags);
  All.Chat = findChatFormat(*Input.File, Diags);
  if (Diags.hasErrors())
    return std::nullopt;
  ModelArguments Wanted = Arguments;
  if (!chooseDepth(Input, All, Wanted, Diags))
    return std::nullopt;
  std::optional<LoadedModel> Ready = Wanted.load(std::move(Input), 1, 0, Term, Diags);
  if (!Ready)
    return std::nullopt;
  static_cast<LoadedModel &>(All) = std::move(*Ready);
  if (!All.Depth->bind(All.Source->manifest(), All.Run->layers(0), Diags))
    return std::nullopt;
  return All;
}

GenerateOptions RunCommand::generateOptions() const {
  GenerateOptions Wanted;
  Wanted.MaxTokens = MaxTokens.value_or(-1);
  Wanted.Speculation = Speculation;
  Wanted.Head = HeadChoice;
  Wanted.Sampling.Temperature = Temperature.value_or(0);
  Wanted.Sampling.TopK = TopK.value_or(0);
  Wanted.Sampling.TopP = TopP.value_or(1);
  Wanted.Sampling.MinP = MinP.value_or(0);
  Wanted.Sampling.Seed = static_cast<uint64_t>(Seed.value_or(0));
  return Wanted;
}

/// Generates after `Prompt`, printing text as it comes, and ends the line.
std::optional<GenerateResult> RunCommand::answer(Loaded &All, std::span<const int32_t> Prompt,
                                                 Terminal &Term, Diagnostics &Diags) const {
  Generator Generate(*All.Run, All.Vocabulary.get());
  AnswerWriter Writer(Term, Raw);
  auto OnToken = [&](int32_t, std::string_view New) { return Writer.write(New); };
  GenerateOptions Wanted = generateOptions();
  Wanted.Exits = All.Depth->exits();
  std::optional<GenerateResult> Result = Generate.generate(Prompt, Wanted, OnToken, Diags);
  Writer.finish(!Result);
  return Result;
}

static std::string summary(const Model &Source, const Session &Run, const GenerateStats &Stats) {
  const LoadReport &Load = Source.report();
  MemoryReport Memory = Run.memory();
  std::string Compile = Load.CompiledAhead ? "none, compiled ahead"
                        : Load.CacheHit
                            ? "none, cache hit (" + formatFixed(Load.CacheMilliseconds, 0) + " ms)"
                            : formatFixed(Load.CompileMilliseconds, 0) + " ms, cache miss";
  std::string Weights = Load.WeightsEmbedded    ? "checked in "
                        : Load.WeightsFromCache ? "from the cache in "
                                                : "packed in ";
  return "compile  " + Compile + "; weights " + Weights + formatFixed(Load.PackMilliseconds, 0) +
         " ms\nspeed    prefill " + std::to_string(Stats.PromptTokens) + " tokens, " +
         formatFixed(Stats.prefillTokensPerSecond(), 1) + " tokens/s; decode " +
         std::to_string(Stats.DecodeTokens) + " tokens, " +
         formatFixed(Stats.decodeTokensPerSecond(), 1) + " tokens/s\nmemory   peak " +
         formatBytes(peakMemory()) + "; weights " + formatBytes(Memory.Weights) + ", arena " +
         formatBytes(Memory.Arena + Memory.Scratch) + "\n";
}

static void addSpeed(RunReport &Report, const GenerateStats &Stats) {
  Report.section("speed");
  Report.add("prompt_tokens", Stats.PromptTokens);
  Report.add("prefill_seconds", Stats.PrefillSeconds, 4);
  Report.add("decode_tokens", Stats.DecodeTokens);
  Report.add("decode_seconds", Stats.DecodeSeconds, 4);
  Report.add("decode_tokens_per_second", Stats.decodeTokensPerSecond(), 1);
}

static void addSpeculation(RunReport &Report, const SpeculationStats &Stats,
                           const StepTimes &Times) {
  Report.section("speculation");
  Report.add("draft", Stats.Draft.empty() ? std::string("off") : std::string(Stats.Draft));
  Report.add("steps", Stats.allSteps());
  Report.add("tokens_per_step", Stats.tokensPerStep(), 2);
  Report.add("rounds", Stats.Rounds);
  Report.add("drafted", Stats.Drafted);
  Report.add("accepted", Stats.Accepted);
  Report.add("acceptance", Stats.acceptance(), 3);
  Report.add("watched", Stats.Watched);
  Report.add("watched_right", Stats.WatchedRight);
  std::vector<double> Rows, Steps, Milliseconds, Relative;
  constexpr double Unknown = std::numeric_limits<double>::quiet_NaN();
  for (int64_t Count = 1; Count <= StepTimes::MaxRows; ++Count) {
    bool Known = Count == 1 ? Times.hasBase() : Times.hasMeasured(Count);
    Rows.push_back(static_cast<double>(Count));
    Steps.push_back(static_cast<double>(Stats.Steps[Count - 1]));
    Relative.push_back(Known ? Times.relative(Count) : Unknown);
    Milliseconds.push_back(Relative.back() * Times.base() * 1e3);
  }
  Report.add("rows", std::move(Rows), 0);
  Report.add("steps_by_rows", std::move(Steps), 0);
  Report.add("milliseconds", std::move(Milliseconds), 2);
  Report.add("time_relative", std::move(Relative), 2);
}

static void addLayers(RunReport &Report, const LayerMask &Layers) {
  Report.section("layers");
  Report.add("run", Layers.count());
  Report.add("of", Layers.layers());
  Report.add("skipped", Layers.skippedText().empty() ? "none" : Layers.skippedText());
}

static void addExits(RunReport &Report, const ExitStats &Stats, const Manifest &Code) {
  if (Stats.Behind.empty())
    return;
  Report.section("exits");
  Report.add("steps", Stats.steps());
  Report.add("whole_steps", Stats.Whole);
  Report.add("layers_left_out", Stats.layersLeftOut());
  Report.add("weight_megabytes_left_out", Stats.bytesLeftOut(Code) / 1e6, 3);
  std::vector<double> Layers, Steps;
  for (size_t Layer = 0; Layer < Stats.Behind.size(); ++Layer)
    if (Stats.Behind[Layer]) {
      Layers.push_back(static_cast<double>(Layer));
      Steps.push_back(static_cast<double>(Stats.Behind[Layer]));
    }
  Report.add("behind_layer", std::move(Layers), 0);
  Report.add("steps_by_layer", std::move(Steps), 0);
}

/// What the calibration file promises of the steps that were made.
static void addExpected(RunReport &Report, const ExpectedRun &Expected) {
  Report.section("calibration");
  Report.add("points", Expected.Points.empty() ? "not measured" : Expected.Points);
  Report.add("agreement_expected", Expected.Agreement, 4);
  Report.add("time_expected", Expected.Time, 3);
}

static void addHead(RunReport &Report, const HeadReport &Stats, const Session &Run) {
  double Positions = static_cast<double>(std::max<int64_t>(Stats.Positions, 1));
  double Rows = static_cast<double>(Stats.Rows) / Positions;
  Report.section("head");
  Report.add("greatest_logits", Run.greatestLogits());
  Report.add("screened_steps", Stats.Steps);
  Report.add("screened_positions", Stats.Positions);
  Report.add("whole_positions", Stats.Whole);
  Report.add("rows_per_position", Rows, 1);
  Report.add("rows_share", Rows / static_cast<double>(Run.vocabulary()), 5);
}

/// What --stats and --json ask for; false on an error.
bool RunCommand::report(const Loaded &All, const GenerateStats &Stats, Terminal &Term,
                        Diagnostics &Diags) const {
  if (!ShowStats && !JsonPath)
    return true;
  RunReport Report;
  addSpeed(Report, Stats);
  addLayers(Report, All.Run->layers(0));
  addExits(Report, Stats.Exits, All.Source->manifest());
  if (All.Measured)
    addExpected(Report, All.Depth->expected(Stats.Exits));
  addSpeculation(Report, Stats.Speculation, All.Run->stepTimes());
  addHead(Report, Stats.Head, *All.Run);
  if (ShowStats)
    Term.err(Report.text());
  if (!JsonPath)
    return true;
  std::string Json = Report.json();
  std::unique_ptr<OutputFile> File = OutputFile::open(*JsonPath, *Arguments.Path, Term, Diags);
  return File &&
         File->write({reinterpret_cast<const uint8_t *>(Json.data()), Json.size()}, Diags) &&
         File->finish(Diags);
}

void RunCommand::runOnce(Loaded &All, std::string Prompt, Terminal &Term,
                         Diagnostics &Diags) const {
  if (All.Chat) {
    // The newline at the end of a file is not part of what the user says.
    if (!Prompt.empty() && Prompt.back() == '\n')
      Prompt.pop_back();
    Prompt = All.Chat->apply({{"user", std::move(Prompt)}}, true);
  }
  std::vector<int32_t> Ids = All.Vocabulary->encode(Prompt, {true, true});
  std::optional<GenerateResult> Result = answer(All, Ids, Term, Diags);
  if (Result && !Term.readerGone())
    Term.err(summary(*All.Source, *All.Run, Result->Stats));
  if (Result)
    report(All, Result->Stats, Term, Diags);
}

/// Question and answer until the end of input.  What the KV cache already holds
/// of the conversation is not computed again.
void RunCommand::converse(Loaded &All, Terminal &Term, Diagnostics &Diags) const {
  std::vector<ChatMessage> Messages;
  std::vector<int32_t> Held;
  Term.err("Ctrl-D ends the conversation.\n");
  while (true) {
    Term.err("> ");
    std::optional<std::string> Line = Term.readLine();
    if (!Line)
      break;
    if (Line->empty())
      continue;
    Messages.push_back({"user", *Line});
    std::vector<int32_t> Ids =
        All.Vocabulary->encode(All.Chat->apply(Messages, true), {true, true});
    Held.resize(std::min(Held.size(), static_cast<size_t>(All.Run->length(0))));
    auto Common = std::mismatch(Held.begin(), Held.end(), Ids.begin(), Ids.end());
    // At least one token has to run, for its logits.
    size_t Known = std::min<size_t>(Common.second - Ids.begin(), Ids.empty() ? 0 : Ids.size() - 1);
    All.Run->truncate(0, static_cast<int64_t>(Known));
    std::optional<GenerateResult> Result = answer(All, std::span(Ids).subspan(Known), Term, Diags);
    if (!Result || Term.readerGone() || Term.outputFault() ||
        !report(All, Result->Stats, Term, Diags))
      return;
    Messages.push_back({"assistant", Result->Text});
    Held = std::move(Ids);
    Held.insert(Held.end(), Result->Tokens.begin(), Result->Tokens.end());
  }
  Term.err("\n");
}

void RunCommand::run(Terminal &Term, Diagnostics &Diags) {
  bool Interactive = Text.count() == 0 && Term.inputIsTerminal();
  if (!checkArguments(Term.inputIsTerminal(), Diags))
    return;
  std::optional<std::string> Prompt;
  if (!Interactive) {
    Prompt = Text.count() == 0 ? readTextFile("-", Diags) : Text.read(Diags);
    if (!Prompt)
      return;
  }
  // Whether it can be written is known before the answer.
  if (JsonPath && !OutputFile::open(*JsonPath, *Arguments.Path, Term, Diags))
    return;
  std::optional<Loaded> All = load(Term, Diags);
  if (!All)
    return;
  if (Prompt)
    return runOnce(*All, std::move(*Prompt), Term, Diags);
  if (All->Chat)
    return converse(*All, Term, Diags);
  Diags.error(108, "lathe run", "found no PROMPT, expected one, as the model has no chat format");
}

static CommandRegistration Registered({
    "run",
    "generate text after a prompt, or converse",
    "  lathe run model.gguf \"Why is the sky blue?\"\n"
    "  lathe run model.gguf -f story.txt --temp 0.8 --top-p 0.95 --seed 7\n",
    createCommand<RunCommand>,
});
