//===- Generator.cpp - From a prompt to a stream of tokens ------*- C++ -*-===//

#include "runtime/session/Generator.h"

#include <chrono>
#include <utility>

namespace lathe {

std::string_view stopReasonText(StopReason Reason) {
  switch (Reason) {
  case StopReason::EndOfGeneration:
    return "end of generation";
  case StopReason::MaxTokens:
    return "token limit";
  case StopReason::ContextFull:
    return "context full";
  case StopReason::Callback:
    return "stopped";
  }
  return "unknown";
}

namespace {

/// Adds the time between its creation and its end to a total.
class Stopwatch {
public:
  explicit Stopwatch(double &Seconds) : Seconds(Seconds), Start(Clock::now()) {}
  ~Stopwatch() { Seconds += std::chrono::duration<double>(Clock::now() - Start).count(); }

private:
  using Clock = std::chrono::steady_clock;
  double &Seconds;
  Clock::time_point Start;
};

} // namespace

Generation::Generation(Session &Run, const Tokenizer *Vocabulary, const GenerateOptions &Options,
                       Sampler Choose)
    : Run(Run), Vocabulary(Vocabulary), Options(Options), Choose(std::move(Choose)),
      Steps(Run, Options.Sequence,
            {Options.Speculation, Options.Head, this->Choose.greatestLogits(), Options.Exits}) {
  if (Vocabulary)
    Decoder.emplace(*Vocabulary);
}

std::unique_ptr<Generation> Generation::start(Session &Run, const Tokenizer *Vocabulary,
                                              std::span<const int32_t> Prompt,
                                              const GenerateOptions &Options, Diagnostics &Diags) {
  std::optional<Sampler> Choose = Sampler::create(Options.Sampling, Diags);
  if (!Choose)
    return nullptr;
  std::unique_ptr<Generation> Result(new Generation(Run, Vocabulary, Options, std::move(*Choose)));
  if (!Result->prefill(Prompt, Diags))
    return nullptr;
  return Result;
}

bool Generation::prefill(std::span<const int32_t> Prompt, Diagnostics &Diags) {
  if (!Run.checkSequence(Options.Sequence, Diags) ||
      (Options.Layers && !Run.setLayers(Options.Sequence, Options.Layers, Diags)))
    return false;
  int64_t Free = Run.capacity() - Run.length(Options.Sequence);
  if (Prompt.empty()) {
    Diags.error(813, "prompt", "has no tokens, expected at least one");
    return false;
  }
  if (static_cast<int64_t>(Prompt.size()) > Free) {
    Diags.error(814, "prompt",
                "has " + std::to_string(Prompt.size()) + " tokens, expected at most " +
                    std::to_string(Free) + ", which is what is free of a context of " +
                    std::to_string(Run.capacity()),
                "shorten the prompt or ask for a larger context");
    return false;
  }
  Result.Stats.PromptTokens = static_cast<int64_t>(Prompt.size());
  Stopwatch Watch(Result.Stats.PrefillSeconds);
  return Steps.prefill(Prompt, Options.MaxTokens, Diags);
}

bool Generation::stepLast(Diagnostics &Diags) {
  Stopwatch Watch(Result.Stats.DecodeSeconds);
  int64_t Given = static_cast<int64_t>(Result.Tokens.size());
  int64_t Wanted = Options.MaxTokens < 0 ? -1 : Options.MaxTokens - Given;
  LastIsRun = Steps.advance(Result.Tokens.back(), Wanted, Diags);
  Result.Stats.DecodeTokens += LastIsRun;
  Result.Stats.Speculation = Steps.stats();
  Result.Stats.Head = Steps.headStats();
  Result.Stats.Exits = Steps.exitStats();
  return LastIsRun;
}

std::optional<int32_t> Generation::choose(Diagnostics &Diags) {
  Stopwatch Watch(Result.Stats.DecodeSeconds);
  return Choose.sample(Steps.logits(), Diags);
}

void Generation::end(StopReason Reason) {
  if (Ended)
    return;
  Ended = true;
  Result.Stop = Reason;
}

/// What the decoder still holds, once.
std::optional<GeneratedPiece> Generation::takeHeldBack() {
  GeneratedPiece Rest = {-1, {}};
  if (Decoder)
    Decoder->flush(Rest.Text);
  if (Rest.Text.empty())
    return std::nullopt;
  Result.Text += Rest.Text;
  return Rest;
}

std::optional<GeneratedPiece> Generation::next(Diagnostics &Diags) {
  if (!Ended && static_cast<int64_t>(Result.Tokens.size()) == Options.MaxTokens)
    end(StopReason::MaxTokens);
  if (!Ended && !LastIsRun && Run.length(Options.Sequence) == Run.capacity())
    end(StopReason::ContextFull);
  if (Ended)
    return takeHeldBack();
  if (!LastIsRun && !stepLast(Diags))
    return std::nullopt;
  std::optional<int32_t> Token = choose(Diags);
  if (!Token)
    return std::nullopt;
  if (Vocabulary && !Options.IgnoreEnd && Vocabulary->isEndOfGeneration(*Token)) {
    Result.EndToken = *Token;
    end(StopReason::EndOfGeneration);
    return takeHeldBack();
  }
  Result.Tokens.push_back(*Token);
  LastIsRun = false;
  Steps.chosen(*Token);
  GeneratedPiece Piece = {*Token, {}};
  if (Decoder)
    Decoder->push(*Token, Piece.Text);
  Result.Text += Piece.Text;
  return Piece;
}

std::optional<GenerateResult> Generator::generate(std::span<const int32_t> Prompt,
                                                  const GenerateOptions &Options,
                                                  const TokenCallback &OnToken,
                                                  Diagnostics &Diags) {
  std::unique_ptr<Generation> Stream = Generation::start(Run, Vocabulary, Prompt, Options, Diags);
  if (!Stream)
    return std::nullopt;
  while (std::optional<GeneratedPiece> Piece = Stream->next(Diags))
    if (OnToken && !OnToken(Piece->Token, Piece->Text))
      Stream->stop();
  if (!Stream->ended())
    return std::nullopt;
  return Stream->result();
}

std::optional<GenerateResult> Generator::generate(std::string_view Prompt,
                                                  const GenerateOptions &Options,
                                                  const TokenCallback &OnToken,
                                                  Diagnostics &Diags) {
  std::vector<int32_t> Tokens =
      Vocabulary->encode(Prompt, {Options.AddSpecial, Options.ParseSpecial});
  return generate(Tokens, Options, OnToken, Diags);
}

} // namespace lathe
