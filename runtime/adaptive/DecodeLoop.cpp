//===- DecodeLoop.cpp - From a token to the logits behind it ----*- C++ -*-===//

#include "runtime/adaptive/DecodeLoop.h"

#include <algorithm>
#include <chrono>

namespace lathe {

using Clock = std::chrono::steady_clock;

static double secondsSince(Clock::time_point Start) {
  return std::chrono::duration<double>(Clock::now() - Start).count();
}

int64_t SpeculationStats::allSteps() const {
  return std::accumulate(Steps.begin(), Steps.end(), int64_t(0));
}

double SpeculationStats::tokensPerStep() const {
  int64_t All = allSteps();
  return All ? static_cast<double>(All + Accepted) / static_cast<double>(All) : 0;
}

int64_t ExitStats::layersLeftOut() const {
  int64_t Layers = static_cast<int64_t>(Behind.size()), Sum = 0;
  for (int64_t Layer = 0; Layer < Layers; ++Layer)
    Sum += Behind[Layer] * (Layers - 1 - Layer);
  return Sum;
}

double ExitStats::bytesLeftOut(const Manifest &Code) const {
  double Bytes = 0;
  for (size_t Layer = 0; Layer < Behind.size(); ++Layer)
    Bytes += static_cast<double>(Behind[Layer]) * Code.bytesLeftOut(static_cast<int64_t>(Layer));
  return Bytes;
}

static bool mayLeave(const StepChoice &Wanted) { return !Wanted.Exits.Plans.empty(); }

DecodeLoop::DecodeLoop(Session &Run, int32_t Sequence, const StepChoice &Wanted)
    : Run(Run), Sequence(Sequence),
      How(mayLeave(Wanted) ? SpeculationChoice() : Wanted.Speculation),
      Control(Run.stepTimes(), How.Kind && How.Kind->Free),
      PlainHead(Wanted.Head, Wanted.Greatest, Run.greatestLogits()),
      VerifyHead(Wanted.Head, Wanted.Greatest, Run.greatestLogits(Run.verifyRows())),
      Plans(Wanted.Exits) {
  if (How.Kind)
    Stats.Draft = How.Kind->Name;
  if (!mayLeave(Wanted))
    return;
  Exits.Behind.resize(Run.manifest().Model.Layers);
  Exits.ByPlan.resize(Plans.Plans.size());
  if (double Target = std::max(Plans.Seconds, Plans.Layers); Target > 0)
    Points.emplace(Target, std::ssize(Plans.Plans));
}

/// Null where the next step does not leave the stack.
const ExitPlan *DecodeLoop::exitPlan() const {
  if (Plans.Plans.empty())
    return nullptr;
  return &Plans.Plans[Points ? Points->choose() : 0];
}

void DecodeLoop::toldExit(double Seconds) {
  if (Plans.Plans.empty())
    return;
  int64_t Left = Run.leftBehind(), All = std::ssize(Exits.Behind);
  ++(Left < 0 ? Exits.Whole : Exits.Behind[Left]);
  ++Exits.ByPlan[Points ? Points->choose() : 0];
  double Share = Left < 0 ? 1 : static_cast<double>(Left + 1) / static_cast<double>(All);
  if (Points)
    Points->told(Plans.Seconds > 0 ? Seconds : Share);
}

bool DecodeLoop::prefill(std::span<const int32_t> Prompt, int64_t MaxTokens, Diagnostics &Diags) {
  Logits.resize(Run.vocabulary());
  if (!Run.append(Sequence, Prompt, LogitsOf::Last, Logits.data(), Diags))
    return false;
  if (!How.Kind)
    return true;
  int64_t Free = Run.capacity() - Run.length(Sequence);
  int64_t More = MaxTokens < 0 ? Free : std::min(Free, MaxTokens);
  Guess = How.Kind->Create({Run, Sequence, Run.length(Sequence) + More + 1});
  Guess->told(Run.tokens(Sequence));
  return true;
}

std::span<const float> DecodeLoop::logits() const {
  int64_t Vocabulary = Run.vocabulary();
  return std::span(Logits).subspan(Row * Vocabulary, Vocabulary);
}

void DecodeLoop::chosen(int32_t Token) {
  if (!Guess)
    return;
  Guess->told({&Token, 1});
  if (!Watched.Count)
    return;
  if (Watched.Tokens[Watched.Right] != Token)
    return closeWatch(Watched.Right + 1);
  if (++Watched.Right == Watched.Count)
    closeWatch(Watched.Right);
}

/// The first `Seen` guesses were compared.
void DecodeLoop::closeWatch(int64_t Seen) {
  Watched.Count = 0;
  if (!Seen)
    return;
  Stats.Watched += Seen;
  Stats.WatchedRight += Watched.Right;
  Control.tellOutcome(Watched.Class, Seen, Watched.Right, false);
}

void DecodeLoop::closeRound() {
  if (Rows > 1)
    Control.tellOutcome(Class, Rows - 1, Row, true);
  Rows = Row = 0;
}

/// Fills `Into` and says how many of it are tokens at all.
int64_t DecodeLoop::propose(std::span<int32_t> Into) {
  Clock::time_point Start = Clock::now();
  Into = Into.first(Guess->propose(Into));
  if (!How.Kind->Free)
    Control.tellDraftTime(static_cast<int64_t>(Into.size()), secondsSince(Start));
  auto Bad = std::ranges::find_if(
      Into, [&](int32_t Token) { return Token < 0 || Token >= Run.vocabulary(); });
  return Bad - Into.begin();
}

/// How many guesses the next step verifies; they stand in `Input` then.
int64_t DecodeLoop::plan(int64_t Wanted) {
  if (!Guess)
    return 0;
  DraftOffer Offer = Guess->offer();
  int64_t Most = std::min({Offer.Most, MaxDraftTokens, Run.verifyRows() - 1,
                           Run.capacity() - Run.length(Sequence) - 1});
  if (Wanted >= 0)
    Most = std::min(Most, Wanted - 1);
  int64_t Count = How.Always ? std::clamp<int64_t>(Most, 0, How.Always)
                             : Control.choose({std::max<int64_t>(Most, 0), Offer.Class});
  if (Count) {
    if (Watched.Count)
      closeWatch(Watched.Right);
    Class = Offer.Class;
    return propose(std::span(Input).subspan(1, Count));
  }
  if (How.Kind->Free && !Watched.Count && Most > 0) {
    Watched.Class = Offer.Class;
    Watched.Right = 0;
    Watched.Count = propose(std::span(Watched.Tokens).first(Most));
  }
  return 0;
}

/// How many steps behind the next one may start without the tokens that are chosen, being
/// those of the greatest logits.  Where there are guesses to verify they would be in the way.
int64_t DecodeLoop::stepsAhead(int64_t Wanted) {
  int64_t Most = Run.mostAhead();
  if (Most == 0 || exitPlan())
    return 0;
  if (Guess)
    Most = Guess->offer().Most > 0 ? 0 : 1;
  return Wanted < 0 ? Most : std::min(Most, Wanted - 1);
}

bool DecodeLoop::runStep(std::span<const int32_t> Tokens, int64_t Greatest, int64_t More,
                         Diagnostics &Diags) {
  if (Tokens.size() > 1)
    return Run.verify(Sequence, Tokens, Logits.data(), Diags, Greatest);
  if (Greatest == 1 && !exitPlan())
    return Run.appendAhead(Sequence, Tokens.front(), More, Logits.data(), Diags);
  return Run.append(Sequence, Tokens, LogitsOf::Last, Logits.data(), Diags, Greatest, exitPlan());
}

bool DecodeLoop::run(int64_t Guesses, int64_t More, Diagnostics &Diags) {
  size_t Needed = static_cast<size_t>((Guesses + 1) * Run.vocabulary());
  if (Logits.size() < Needed)
    Logits.resize(Needed);
  std::span<const int32_t> Tokens = std::span(Input).first(Guesses + 1);
  HeadController &Head = Guesses ? VerifyHead : PlainHead;
  int64_t Greatest = Head.choose();
  Clock::time_point Start = Clock::now();
  if (!runStep(Tokens, Greatest, More, Diags))
    return false;
  double Seconds = secondsSince(Start);
  // Steps of different numbers of rows are compared by what such steps take.
  Head.told(Seconds / (Guesses ? Run.stepTimes().relative(Guesses + 1) : 1), Run.headReport());
  Run.stepTimes().record(Guesses + 1, Seconds);
  HeadStats += Run.headReport();
  toldExit(Seconds);
  Rows = Guesses + 1;
  ++Stats.Steps[Guesses];
  Stats.Rounds += Guesses > 0;
  Stats.Drafted += Guesses;
  return true;
}

bool DecodeLoop::advance(int32_t Token, int64_t Wanted, Diagnostics &Diags) {
  if (Row + 1 < Rows && Run.accept(Sequence, Token)) {
    ++Row;
    ++Stats.Accepted;
    return true;
  }
  closeRound();
  Input[0] = Token;
  // A step that has started is not given up for guesses.
  int64_t Guesses = Run.isAhead(Sequence, Token) ? 0 : plan(Wanted);
  return run(Guesses, Guesses ? 0 : stepsAhead(Wanted), Diags);
}

} // namespace lathe
