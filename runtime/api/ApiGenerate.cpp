//===- ApiGenerate.cpp - Generations of lathe.h -----------------*- C++ -*-===//

#include "runtime/api/Api.h"

#include "runtime/tokenizer/Tokenizer.h"

#include <cstddef>

using namespace lathe;
using namespace lathe::api;

struct lathe_generation {
  std::shared_ptr<SharedSession> Of; ///< Goes after the stream.
  std::unique_ptr<Generation> Stream;
  std::string Text; ///< Of the last piece.
};

// The sizes in version 1.0.
static constexpr size_t LeastOptions = offsetof(lathe_generate_options, speculate);
static constexpr size_t LeastResult = offsetof(lathe_generate_result, steps);

static std::optional<GenerateOptions> readOptions(const lathe_generate_options *Given,
                                                  const SharedModel &Of, Diagnostics &Diags) {
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
  GenerateOptions Options;
  if (Raw->layers || Raw->skip || Raw->width) {
    Options.Layers = readLayers(Raw->layers, Raw->skip, Raw->width, Of, Diags);
    if (!Options.Layers)
      return std::nullopt;
  }
  if (std::optional<ExitChoice> Exits =
          ExitChoice::parse(Raw->exit ? Raw->exit : "never", Raw->exit_seconds, Raw->exit_layers,
                            Of.manifest(), Diags))
    Options.Exits = std::move(*Exits);
  else
    return std::nullopt;
  Options.Speculation = *Speculation;
  Options.Head = *Head;
  Options.Sampling = *Sampling;
  Options.MaxTokens = Raw->max_tokens > 0 ? Raw->max_tokens : -1;
  Options.Sequence = Raw->sequence;
  Options.IgnoreEnd = Raw->flags & LATHE_GENERATE_IGNORE_END;
  return Options;
}

/// Runs the prompt; null on error.  The caller has the session's turn.
static std::unique_ptr<Generation> start(SharedSession &Of, const int32_t *Prompt, size_t Count,
                                         const lathe_generate_options *Given, Diagnostics &Diags) {
  std::optional<GenerateOptions> Options = readOptions(Given, *Of.Of, Diags);
  if (!Options || !checkArray(Prompt, Count, "prompt", Diags))
    return nullptr;
  // Without a tokenizer there are tokens but no text, which is no error here.
  Diagnostics Unused;
  return Generation::start(*Of.Run, Of.Of->vocabulary(Unused), {Prompt, Count}, *Options, Diags);
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

static bool fillResult(const Generation &Stream, lathe_generate_result *Out, Diagnostics &Diags) {
  const GenerateResult &From = Stream.result();
  lathe_generate_result Result = {};
  Result.stop = stopCode(Stream);
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
    std::unique_ptr<Generation> Stream = start(*Shared, Prompt, Count, Options, Diags);
    if (!Stream)
      return false;
    while (std::optional<GeneratedPiece> Piece = Stream->next(Diags))
      if (OnToken && OnToken(User, Piece->Token, Piece->Text.c_str(), Piece->Text.size()) != 0)
        Stream->stop();
    return Stream->ended() && (!Out || fillResult(*Stream, Out, Diags));
  });
}

static lathe_error *startGeneration(lathe_session *Of, const int32_t *Prompt, size_t Count,
                                    const lathe_generate_options *Options, lathe_generation **Out) {
  SharedSession *Shared = Of ? Of->Shared.get() : nullptr;
  return inSession(Shared, "session", [&](Diagnostics &Diags) {
    if (!checkGiven(Out, "generation", Diags))
      return false;
    std::unique_ptr<Generation> Stream = start(*Shared, Prompt, Count, Options, Diags);
    if (!Stream)
      return false;
    *Out = new lathe_generation{Of->Shared, std::move(Stream), {}};
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
      return checkGiven(Of, "generation", Diags) && fillResult(*Of->Stream, Out, Diags);
    });
  };
  Table.generation_destroy = [](lathe_generation *Of) { delete Of; };
}
