//===- ApiGenerate.cpp - Generations of lathe.h -----------------*- C++ -*-===//

#include "runtime/api/Api.h"

#include "runtime/adaptive/AdaptiveRun.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <cmath>
#include <cstddef>

using namespace lathe;
using namespace lathe::api;

struct lathe_generation {
  std::shared_ptr<SharedSession> Of; ///< Goes after the stream.
  std::unique_ptr<Generation> Stream;
  AdaptiveRun Depth; ///< What it runs of the model.
  std::string Text;  ///< Of the last piece.
};

// The sizes in version 1.0.
static constexpr size_t LeastOptions = offsetof(lathe_generate_options, speculate);
static constexpr size_t LeastResult = offsetof(lathe_generate_result, steps);

/// How much of the model runs; nullopt on error.
static std::optional<AdaptiveRun> chooseDepth(const lathe_generate_options &Given,
                                              const SharedSession &Of, Diagnostics &Diags) {
  AdaptiveRequest Wanted;
  auto Read = [](const char *Text) {
    return Text ? std::optional<std::string>(Text) : std::nullopt;
  };
  Wanted.Layers = Read(Given.layers);
  Wanted.Skip = Read(Given.skip);
  Wanted.Exit = Read(Given.exit);
  Wanted.Seconds = Given.latency;
  Wanted.Budget = Given.budget;
  Wanted.Quality = Given.quality;
  const SharedModel &Model = *Of.Of;
  std::optional<AdaptiveRun> Chosen =
      Of.Run->checkSequence(Given.sequence, Diags)
          ? AdaptiveRun::choose(Wanted, Model.Measured.get(), Model.MeasuredIn, Diags)
          : std::nullopt;
  if (Chosen && !Chosen->bind(Model.manifest(), Of.Run->layers(Given.sequence), Diags))
    return std::nullopt;
  return Chosen;
}

static std::optional<GenerateOptions> readOptions(const lathe_generate_options *Given,
                                                  const SharedSession &Of,
                                                  std::optional<AdaptiveRun> &Depth,
                                                  Diagnostics &Diags) {
  constexpr const char *Name = "lathe_generate_options";
  std::optional<lathe_generate_options> Raw = readStruct(Given, Name, LeastOptions, Diags);
  if (!Raw || !checkFlags(Name, Raw->flags, LATHE_GENERATE_IGNORE_END, Diags))
    return std::nullopt;
  std::optional<SamplerOptions> Sampling = readSampling(Raw->sampling, Diags);
  std::optional<SpeculationChoice> Speculation =
      SpeculationChoice::parse(Raw->speculate ? Raw->speculate : "auto", Diags);
  std::optional<HeadMode> Head = parseHeadMode(Raw->head ? Raw->head : "auto", Diags);
  if (!Sampling || !Speculation || !Head)
    return std::nullopt;
  Depth = chooseDepth(*Raw, Of, Diags);
  if (!Depth)
    return std::nullopt;
  GenerateOptions Options;
  Options.Layers = Depth->layers();
  Options.Exits = Depth->exits();
  Options.Speculation = *Speculation;
  Options.Head = *Head;
  Options.Sampling = *Sampling;
  Options.MaxTokens = Raw->max_tokens > 0 ? Raw->max_tokens : -1;
  Options.Sequence = Raw->sequence;
  Options.IgnoreEnd = Raw->flags & LATHE_GENERATE_IGNORE_END;
  return Options;
}

/// Runs the prompt; null on error.  The caller has the session's turn.
static std::unique_ptr<lathe_generation> start(const std::shared_ptr<SharedSession> &Of,
                                               const int32_t *Prompt, size_t Count,
                                               const lathe_generate_options *Given,
                                               Diagnostics &Diags) {
  std::optional<AdaptiveRun> Depth;
  std::optional<GenerateOptions> Options = readOptions(Given, *Of, Depth, Diags);
  if (!Options || !checkArray(Prompt, Count, "prompt", Diags))
    return nullptr;
  // Without a tokenizer there are tokens but no text, which is no error here.
  Diagnostics Unused;
  std::unique_ptr<Generation> Stream =
      Generation::start(*Of->Run, Of->Of->vocabulary(Unused), {Prompt, Count}, *Options, Diags);
  if (!Stream)
    return nullptr;
  return std::unique_ptr<lathe_generation>(
      new lathe_generation{Of, std::move(Stream), std::move(*Depth), {}});
}

static int32_t stopCode(const Generation &Stream) {
  if (!Stream.ended())
    return LATHE_STOP_NONE;
  switch (Stream.result().Stop) {
  case StopReason::EndOfGeneration:
    return LATHE_STOP_END;
  case StopReason::MaxTokens:
    return LATHE_STOP_TOKENS;
  case StopReason::ContextFull:
    return LATHE_STOP_CONTEXT;
  case StopReason::Callback:
    return LATHE_STOP_CALLBACK;
  }
  return LATHE_STOP_NONE;
}

static bool fillResult(const lathe_generation &Of, lathe_generate_result *Out, Diagnostics &Diags) {
  const GenerateResult &From = Of.Stream->result();
  lathe_generate_result Result = {};
  Result.stop = stopCode(*Of.Stream);
  Result.end_token = From.EndToken;
  Result.prompt_tokens = From.Stats.PromptTokens;
  Result.tokens = static_cast<int64_t>(From.Tokens.size());
  Result.prefill_seconds = From.Stats.PrefillSeconds;
  Result.decode_seconds = From.Stats.DecodeSeconds;
  const SpeculationStats &Guesses = From.Stats.Speculation;
  Result.steps = Guesses.allSteps();
  Result.rounds = Guesses.Rounds;
  Result.drafted = Guesses.Drafted;
  Result.accepted = Guesses.Accepted;
  Result.head_steps = From.Stats.Head.Steps;
  Result.head_whole = From.Stats.Head.Whole;
  Result.head_rows = From.Stats.Head.Rows;
  Result.head_positions = From.Stats.Head.Positions;
  Result.exit_steps = From.Stats.Exits.steps();
  Result.exit_layers = From.Stats.Exits.layersLeftOut();
  Result.exit_bytes = std::llround(From.Stats.Exits.bytesLeftOut(Of.Of->Of->manifest()));
  ExpectedRun Expected = Of.Depth.expected(From.Stats.Exits);
  Result.expected_agreement = Expected.Agreement;
  Result.expected_time = Expected.Time;
  return fillStruct(Out, Result, "lathe_generate_result", LeastResult, Diags);
}

static lathe_error *generate(lathe_session *Of, const int32_t *Prompt, size_t Count,
                             const lathe_generate_options *Options, lathe_on_token OnToken,
                             void *User, lathe_generate_result *Out) {
  SharedSession *Shared = Of ? Of->Shared.get() : nullptr;
  return inSession(Shared, "session", [&](Diagnostics &Diags) {
    // Told before anything runs, as a generation is not undone.
    if (Out && !checkFillable(Out, "lathe_generate_result", LeastResult, Diags))
      return false;
    std::unique_ptr<lathe_generation> Started = start(Of->Shared, Prompt, Count, Options, Diags);
    if (!Started)
      return false;
    Generation &Stream = *Started->Stream;
    while (std::optional<GeneratedPiece> Piece = Stream.next(Diags))
      if (OnToken && OnToken(User, Piece->Token, Piece->Text.c_str(), Piece->Text.size()) != 0)
        Stream.stop();
    return Stream.ended() && (!Out || fillResult(*Started, Out, Diags));
  });
}

static lathe_error *startGeneration(lathe_session *Of, const int32_t *Prompt, size_t Count,
                                    const lathe_generate_options *Options, lathe_generation **Out) {
  SharedSession *Shared = Of ? Of->Shared.get() : nullptr;
  return inSession(Shared, "session", [&](Diagnostics &Diags) {
    if (!checkGiven(Out, "generation", Diags))
      return false;
    std::unique_ptr<lathe_generation> Started = start(Of->Shared, Prompt, Count, Options, Diags);
    if (!Started)
      return false;
    *Out = Started.release();
    return true;
  });
}

static lathe_error *nextPiece(lathe_generation *Of, lathe_piece *Out) {
  return inSession(Of ? Of->Of.get() : nullptr, "generation", [&](Diagnostics &Diags) {
    if (!checkFillable(Out, "lathe_piece", sizeof(*Out), Diags))
      return false;
    std::optional<GeneratedPiece> Next = Of->Stream->next(Diags);
    if (!Next && !Of->Stream->ended())
      return false;
    Of->Text = Next ? std::move(Next->Text) : std::string();
    lathe_piece Piece = {};
    Piece.token = Next ? Next->Token : -1;
    Piece.ended = !Next;
    Piece.text = Of->Text.c_str();
    Piece.text_size = Of->Text.size();
    return fillStruct(Out, Piece, "lathe_piece", sizeof(Piece), Diags);
  });
}

void api::addGenerating(lathe_api &Table) {
  Table.generate = generate;
  Table.generation_start = startGeneration;
  Table.generation_next = nextPiece;
  Table.generation_result = [](const lathe_generation *Of, lathe_generate_result *Out) {
    return guarded([&](Diagnostics &Diags) {
      return checkGiven(Of, "generation", Diags) && fillResult(*Of, Out, Diags);
    });
  };
  Table.generation_exits = [](const lathe_generation *Of, int64_t *Steps, size_t Capacity,
                              size_t *Count) {
    return guarded([&](Diagnostics &Diags) {
      if (!checkGiven(Of, "generation", Diags) || !checkGiven(Count, "count", Diags) ||
          !checkArray(Steps, Capacity, "steps", Diags))
        return false;
      const std::vector<int64_t> &Behind = Of->Stream->result().Stats.Exits.Behind;
      std::copy_n(Behind.begin(), std::min(Behind.size(), Capacity), Steps);
      *Count = Behind.size();
      return true;
    });
  };
  Table.generation_destroy = [](lathe_generation *Of) { delete Of; };
}
