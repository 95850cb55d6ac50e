//===- Generator.h - From a prompt to a stream of tokens --------*- C++ -*-===//
//
// Prefill, then one step per token until there is a reason to stop.  A
// Generation is asked for its tokens one by one; a Generator hands them to a
// callback.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_GENERATOR_H
#define LATHE_RUNTIME_SESSION_GENERATOR_H

#include "runtime/adaptive/DecodeLoop.h"
#include "runtime/session/Sampler.h"
#include "runtime/session/Session.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

struct GenerateOptions {
  int64_t MaxTokens = -1; ///< Most tokens to generate; negative: until the context is full.
  SamplerOptions Sampling = {};
  bool IgnoreEnd = false;             ///< Go on after end-of-generation tokens.
  bool AddSpecial = true;             ///< Text prompts: add the tokenizer's start tokens.
  bool ParseSpecial = false;          ///< Text prompts: read "<|im_start|>" as a token.
  int32_t Sequence = 0;               ///< Continues what this sequence of the session holds.
  SpeculationChoice Speculation = {}; ///< Changes how fast tokens come, never which.
  HeadMode Head = HeadMode::Auto;     ///< So does this.
  /// As of Session::setLayers; null: as the sequence is set.
  std::shared_ptr<const LayerMask> Layers = nullptr;
  ExitChoice Exits = {}; ///< When steps leave the stack, which changes what is said.
};

enum class StopReason {
  EndOfGeneration, ///< The model ended its turn.
  MaxTokens,
  ContextFull, ///< The sequence has no free position.
  Callback,    ///< The callback asked to stop.
};

/// "end of generation", "token limit", ...
std::string_view stopReasonText(StopReason Reason);

struct GenerateStats {
  int64_t PromptTokens = 0;
  int64_t DecodeTokens = 0; ///< Run after the prefill: one less than tokens sampled.
  double PrefillSeconds = 0;
  double DecodeSeconds = 0; ///< Steps and sampling, without the callback.
  SpeculationStats Speculation;
  HeadReport Head;
  ExitStats Exits;
  double prefillTokensPerSecond() const {
    return PrefillSeconds > 0 ? PromptTokens / PrefillSeconds : 0;
  }
  double decodeTokensPerSecond() const {
    return DecodeSeconds > 0 ? DecodeTokens / DecodeSeconds : 0;
  }
};

struct GenerateResult {
  std::vector<int32_t> Tokens; ///< Generated, without the token that ended the generation.
  std::string Text;            ///< The same, decoded; empty without a tokenizer.
  StopReason Stop = StopReason::MaxTokens;
  int32_t EndToken = -1; ///< The token that ended the generation, if one did.
  GenerateStats Stats;
};

/// A token with the text that became complete with it (whole UTF-8 characters,
/// may be empty).  At the end, held back bytes come with token -1.
struct GeneratedPiece {
  int32_t Token;
  std::string Text;
};

/// Called for every piece.  Return false to stop.
using TokenCallback = std::function<bool(int32_t Token, std::string_view Text)>;

class Generation {
public:
  /// Runs the prompt.  `Vocabulary` may be null: then no text comes out and no
  /// token ends the generation.  Both must outlive it.
  ///
  /// Null on error: E0813 an empty prompt, E0814 a prompt longer than the free
  /// context, and all of Session::setLayers, Session::step and Sampler::create.
  static std::unique_ptr<Generation> start(Session &Run, const Tokenizer *Vocabulary,
                                           std::span<const int32_t> Prompt,
                                           const GenerateOptions &Options, Diagnostics &Diags);

  /// The next piece; nullopt when it has ended, and on an error of Session::step
  /// or Sampler::sample.  After an interrupt (E0807) it can be asked again.
  ///
  /// The sequence holds the prompt and the tokens given so far but for the last,
  /// which only the next step stores.
  std::optional<GeneratedPiece> next(Diagnostics &Diags);

  /// Ends it: what was held back is all that still comes.
  void stop() { end(StopReason::Callback); }

  /// Whether it has ended, for the reason in result().
  bool ended() const { return Ended; }

  /// What came so far.
  const GenerateResult &result() const { return Result; }

private:
  Generation(Session &Run, const Tokenizer *Vocabulary, const GenerateOptions &Options,
             Sampler Choose);
  bool prefill(std::span<const int32_t> Prompt, Diagnostics &Diags);
  bool stepLast(Diagnostics &Diags);
  std::optional<int32_t> choose(Diagnostics &Diags);
  void end(StopReason Reason);
  std::optional<GeneratedPiece> takeHeldBack();

  Session &Run;
  const Tokenizer *Vocabulary;
  GenerateOptions Options;
  Sampler Choose;
  std::optional<StreamingDecoder> Decoder;
  DecodeLoop Steps;
  bool LastIsRun = true; ///< Whether the logits of Steps follow the last of Result.Tokens.
  bool Ended = false;
  GenerateResult Result;
};

class Generator {
public:
  /// `Vocabulary` may be null: then prompts are tokens, no text comes out and
  /// no token ends a generation.  Both must outlive the generator.
  Generator(Session &Run, const Tokenizer *Vocabulary) : Run(Run), Vocabulary(Vocabulary) {}

  /// A whole Generation.  Nullopt on any of its errors; an interrupt (E0807) is
  /// one too, and what was generated before has gone to the callback.
  std::optional<GenerateResult> generate(std::span<const int32_t> Prompt,
                                         const GenerateOptions &Options,
                                         const TokenCallback &OnToken, Diagnostics &Diags);

  /// The same for text; only with a tokenizer.
  std::optional<GenerateResult> generate(std::string_view Prompt, const GenerateOptions &Options,
                                         const TokenCallback &OnToken, Diagnostics &Diags);

private:
  Session &Run;
  const Tokenizer *Vocabulary;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_GENERATOR_H
