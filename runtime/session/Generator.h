//===- Generator.h - From a prompt to a stream of tokens --------*- C++ -*-===//
//
// Prefill, then one step per token until there is a reason to stop.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_GENERATOR_H
#define LATHE_RUNTIME_SESSION_GENERATOR_H

#include "runtime/session/Sampler.h"
#include "runtime/session/Session.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

class Tokenizer;

struct GenerateOptions {
  int64_t MaxTokens = -1; ///< Most tokens to generate; negative: until the context is full.
  SamplerOptions Sampling = {};
  bool IgnoreEnd = false;    ///< Go on after end-of-generation tokens.
  bool AddSpecial = true;    ///< Text prompts: add the tokenizer's start tokens.
  bool ParseSpecial = false; ///< Text prompts: read "<|im_start|>" as a token.
  int32_t Sequence = 0;      ///< Continues what this sequence of the session holds.
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
  int64_t DecodeSteps = 0; ///< Steps after the prefill: one less than tokens sampled.
  double PrefillSeconds = 0;
  double DecodeSeconds = 0; ///< Steps and sampling, without the callback.
  double prefillTokensPerSecond() const {
    return PrefillSeconds > 0 ? PromptTokens / PrefillSeconds : 0;
  }
  double decodeTokensPerSecond() const {
    return DecodeSeconds > 0 ? DecodeSteps / DecodeSeconds : 0;
  }
};

struct GenerateResult {
  std::vector<int32_t> Tokens; ///< Generated, without the token that ended the generation.
  std::string Text;            ///< The same, decoded; empty without a tokenizer.
  StopReason Stop = StopReason::MaxTokens;
  int32_t EndToken = -1; ///< The token that ended the generation, if one did.
  GenerateStats Stats;
};

/// Called for every generated token with the text that became complete with it
/// (whole UTF-8 characters, may be empty).  At the end, held back bytes come
/// with token -1.  Return false to stop.
using TokenCallback = std::function<bool(int32_t Token, std::string_view Text)>;

class Generator {
public:
  /// `Vocabulary` may be null: then prompts are tokens, no text comes out and
  /// no token ends a generation.  Both must outlive the generator.
  Generator(Session &Run, const Tokenizer *Vocabulary) : Run(Run), Vocabulary(Vocabulary) {}

  /// Afterwards the sequence holds the prompt and the generated tokens but for
  /// the last, which only a further step would store.
  ///
  /// Nullopt on error: E0813 an empty prompt, E0814 a prompt longer than the
  /// free context, and all of Session::step and Sampler.  An interrupt (E0807)
  /// is an error too; what was generated before has gone to the callback.
  std::optional<GenerateResult> generate(std::span<const int32_t> Prompt,
                                         const GenerateOptions &Options,
                                         const TokenCallback &OnToken, Diagnostics &Diags);

  /// The same for text; only with a tokenizer.
  std::optional<GenerateResult> generate(std::string_view Prompt, const GenerateOptions &Options,
                                         const TokenCallback &OnToken, Diagnostics &Diags);

private:
  bool prefill(std::span<const int32_t> Prompt, int32_t Sequence, GenerateStats &Stats,
               Diagnostics &Diags);
  bool decodeOne(int32_t Token, int32_t Sequence, Diagnostics &Diags);
  std::optional<StopReason> decode(const GenerateOptions &Options, Sampler &Choose,
                                   const TokenCallback &OnToken, GenerateResult &Result,
                                   Diagnostics &Diags);

  Session &Run;
  const Tokenizer *Vocabulary;
  std::vector<float> Logits;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_GENERATOR_H
