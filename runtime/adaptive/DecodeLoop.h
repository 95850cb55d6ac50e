//===- DecodeLoop.h - From a token to the logits behind it ------*- C++ -*-===//
//
// Runs the steps of one sequence's generation.  Where a draft's guesses promise
// to pay, a step runs the last token and the guesses in as many rows, and as
// long as the chosen tokens are the guessed ones the logits are there already.
//
// Tokens are chosen outside, one by one, from logits that are bit for bit those
// of plain decoding; after each token the sequence holds what it would hold then.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_DECODELOOP_H
#define LATHE_RUNTIME_ADAPTIVE_DECODELOOP_H

#include "runtime/adaptive/PointController.h"
#include "runtime/adaptive/SpeculationController.h"
#include "runtime/session/Session.h"

#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace lathe {

struct SpeculationStats {
  std::string_view Draft;   ///< The kind's name; empty: speculation is off.
  int64_t Rounds = 0;       ///< Steps that verified guesses.
  int64_t Drafted = 0;      ///< Guesses verified ...
  int64_t Accepted = 0;     ///< ... and accepted.
  int64_t Watched = 0;      ///< Guesses compared with plain decoding ...
  int64_t WatchedRight = 0; ///< ... and found right.
  /// Steps after the prompt, by rows - 1.
  std::array<int64_t, StepTimes::MaxRows> Steps = {};

  int64_t allSteps() const;
  double acceptance() const { return Drafted ? double(Accepted) / double(Drafted) : 0; }
  /// Tokens that a step gives on average; 0 before the first step.
  double tokensPerStep() const;
};

/// Where steps of one row left the stack.
struct ExitStats {
  std::vector<int64_t> Behind; ///< Steps that left behind each layer; empty: none may.
  int64_t Whole = 0;           ///< Steps that ran all layers.
  std::vector<int64_t> ByPlan; ///< Steps that were made by each of ExitChoice::Plans.

  int64_t steps() const { return std::accumulate(Behind.begin(), Behind.end(), int64_t(0)); }
  /// Layers behind the exits, of all steps that left.
  int64_t layersLeftOut() const;
  /// Bytes of the weights that these steps did not read, as of Manifest::bytesLeftOut.
  double bytesLeftOut(const Manifest &Code) const;
};

/// How the steps of a generation are made.
struct StepChoice {
  SpeculationChoice Speculation = {};
  HeadMode Head = HeadMode::Auto;
  int64_t Greatest = 0; ///< Sampler::greatestLogits.
  /// Where steps may leave the stack nothing is speculated on.
  ExitChoice Exits = {};
};

class DecodeLoop {
public:
  /// For at most `MaxTokens` tokens (negative: any number) of `Sequence`, which
  /// must exist.
  DecodeLoop(Session &Run, int32_t Sequence, const StepChoice &Wanted);

  /// Runs `Prompt`; logits() are those of its last token.  Errors are those of
  /// Session::step.  `MaxTokens` will follow at most; negative: any number.
  bool prefill(std::span<const int32_t> Prompt, int64_t MaxTokens, Diagnostics &Diags);

  /// What the next token is chosen from; [vocabulary].  Where few of the greatest decide,
  /// the others may be -infinity.
  std::span<const float> logits() const;

  /// Tells the token that was chosen.
  void chosen(int32_t Token);

  /// Makes logits() those that follow `Token`, the last that was chosen, running
  /// a step unless it was foretold.  At most `Wanted` tokens will still be chosen
  /// (negative: any number).  Errors are those of Session::step; then it may be
  /// called again.
  bool advance(int32_t Token, int64_t Wanted, Diagnostics &Diags);

  const SpeculationStats &stats() const { return Stats; }

  /// What finding the greatest logits took.
  const HeadReport &headStats() const { return HeadStats; }

  const ExitStats &exitStats() const { return Exits; }

private:
  /// Guesses that plain decoding is compared with.
  struct Watch {
    std::array<int32_t, MaxDraftTokens> Tokens;
    int64_t Count = 0, Right = 0;
    int32_t Class = 0;
  };

  int64_t plan(int64_t Wanted);
  const ExitPlan *exitPlan() const;
  void toldExit(double Seconds);
  int64_t propose(std::span<int32_t> Into);
  int64_t stepsAhead(int64_t Wanted);
  bool run(int64_t Guesses, int64_t More, Diagnostics &Diags);
  bool runStep(std::span<const int32_t> Tokens, int64_t Greatest, int64_t More, Diagnostics &Diags);
  void closeRound();
  void closeWatch(int64_t Seen);

  Session &Run;
  int32_t Sequence;
  SpeculationChoice How;
  std::unique_ptr<Draft> Guess; ///< Null: speculation is off.
  SpeculationController Control;
  HeadController PlainHead, VerifyHead; ///< Of steps without guesses, and with.
  HeadReport HeadStats;
  std::vector<float> Logits; ///< [rows][vocabulary]
  std::array<int32_t, StepTimes::MaxRows> Input = {};
  int64_t Rows = 0;  ///< Of the latest step; 0 before it.
  int64_t Row = 0;   ///< Whose logits are next.
  int32_t Class = 0; ///< Of the latest step's guesses.
  Watch Watched;
  SpeculationStats Stats;
  ExitChoice Plans;
  std::optional<PointController> Points; ///< Chooses among the plans.
  ExitStats Exits;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_DECODELOOP_H
