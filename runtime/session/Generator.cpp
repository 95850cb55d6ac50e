//===- Generator.cpp - From a prompt to a stream of tokens ------*- C++ -*-===//

#include "runtime/session/Generator.h"

#include "runtime/tokenizer/Tokenizer.h"

#include <chrono>

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

/// Collects tokens and their text, and passes them on.
class TokenStream {
public:
  TokenStream(const Tokenizer *Vocabulary, const TokenCallback &OnToken, GenerateResult &Result)
      : OnToken(OnToken), Result(Result) {
    if (Vocabulary)
      Decoder.emplace(*Vocabulary);
  }

  /// False when the callback asks to stop.
  bool push(int32_t Token) {
    Result.Tokens.push_back(Token);
    std::string Text;
    if (Decoder)
      Decoder->push(Token, Text);
    return pass(Token, Text);
  }

  /// Passes on what was held back.
  void finish() {
    std::string Text;
    if (Decoder)
      Decoder->flush(Text);
    if (!Text.empty())
      pass(-1, Text);
  }

private:
  bool pass(int32_t Token, const std::string &Text) {
    Result.Text += Text;
    return !OnToken || OnToken(Token, Text);
  }

  std::optional<StreamingDecoder> Decoder;
  const TokenCallback &OnToken;
  GenerateResult &Result;
};

} // namespace

bool Generator::prefill(std::span<const int32_t> Prompt, int32_t Sequence, GenerateStats &Stats,
                        Diagnostics &Diags) {
  if (Sequence < 0 || Sequence >= Run.sequences()) {
    Diags.error(803, "generation",
                "found sequence " + std::to_string(Sequence) + ", expected 0 to " +
                    std::to_string(Run.sequences() - 1));
    return false;
  }
  int64_t First = Run.length(Sequence);
  int64_t Free = Run.capacity() - First;
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
  std::vector<Row> Rows;
  for (int32_t Token : Prompt)
    Rows.push_back({Token, static_cast<int32_t>(First++), Sequence, false});
  Rows.back().WantsLogits = true;
  Logits.resize(Run.vocabulary());
  Stats.PromptTokens = static_cast<int64_t>(Prompt.size());
  Stopwatch Watch(Stats.PrefillSeconds);
  return Run.step(Rows, Logits.data(), Diags);
}

bool Generator::decodeOne(int32_t Token, int32_t Sequence, Diagnostics &Diags) {
  Row Next = {Token, static_cast<int32_t>(Run.length(Sequence)), Sequence, true};
  return Run.step({&Next, 1}, Logits.data(), Diags);
}

std::optional<StopReason> Generator::decode(const GenerateOptions &Options, Sampler &Choose,
                                            const TokenCallback &OnToken, GenerateResult &Result,
                                            Diagnostics &Diags) {
  TokenStream Stream(Vocabulary, OnToken, Result);
  auto Stop = [&](StopReason Reason) {
    Stream.finish();
    return Reason;
  };
  while (static_cast<int64_t>(Result.Tokens.size()) != Options.MaxTokens) {
    std::optional<int32_t> Token;
    {
      Stopwatch Watch(Result.Stats.DecodeSeconds);
      Token = Choose.sample(Logits, Diags);
    }
    if (!Token)
      return std::nullopt;
    if (Vocabulary && !Options.IgnoreEnd && Vocabulary->isEndOfGeneration(*Token)) {
      Result.EndToken = *Token;
      return Stop(StopReason::EndOfGeneration);
    }
    if (!Stream.push(*Token))
      return Stop(StopReason::Callback);
    if (static_cast<int64_t>(Result.Tokens.size()) == Options.MaxTokens)
      break;
    if (Run.length(Options.Sequence) == Run.capacity())
      return Stop(StopReason::ContextFull);
    Stopwatch Watch(Result.Stats.DecodeSeconds);
    if (!decodeOne(*Token, Options.Sequence, Diags))
      return std::nullopt;
    ++Result.Stats.DecodeSteps;
  }
  return Stop(StopReason::MaxTokens);
}

std::optional<GenerateResult> Generator::generate(std::span<const int32_t> Prompt,
                                                  const GenerateOptions &Options,
                                                  const TokenCallback &OnToken,
                                                  Diagnostics &Diags) {
  std::optional<Sampler> Choose = Sampler::create(Options.Sampling, Diags);
  GenerateResult Result;
  if (!Choose || !prefill(Prompt, Options.Sequence, Result.Stats, Diags))
    return std::nullopt;
  std::optional<StopReason> Reason = decode(Options, *Choose, OnToken, Result, Diags);
  if (!Reason)
    return std::nullopt;
  Result.Stop = *Reason;
  return Result;
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
