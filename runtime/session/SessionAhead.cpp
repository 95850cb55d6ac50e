//===- SessionAhead.cpp - Steps that follow each other on a device ----------===//
//
// A step whose token is the greatest logit of the step before need not wait for the
// host to hear of it.  Such steps are started ahead of being asked for; one that is not
// asked for has written keys and values behind the end of its sequence, where nothing
// reads ahead of writing.
//
//===----------------------------------------------------------------------===//

#include "runtime/session/Session.h"

#include <algorithm>
#include <limits>

using namespace lathe;

int64_t Session::mostAhead() const {
  StepsAhead *Steps = Runner->ahead();
  const ManifestEntry &Entry = Code.manifest().Entries[Code.entryFor(1)];
  return Steps && Entry.MaxRows == 1 && Entry.GreatestLogits > 0 ? Steps->most() - 1 : 0;
}

bool Session::isAhead(int32_t Sequence, int32_t Token) const {
  return Started.Count > 0 && Started.Sequence == Sequence && Started.Token == Token &&
         Started.Position == Lengths[Sequence];
}

/// Starts steps until `Wanted` are on their way, the first with `Token`.
bool Session::fillAhead(size_t Entry, int32_t Sequence, int32_t Token, int64_t Wanted,
                        Diagnostics &Diags) {
  lathe_step_args Args = {};
  Args.rows = Args.logits_rows = Args.wanted_logits = 1;
  const int32_t Row = 0;
  Args.sequence = &Sequence;
  Args.logits_row = &Row;
  Args.layer_runs = Layers[Sequence]->runs();
  Args.widths = Layers[Sequence]->widths();
  Args.exit_at = Never.at();
  Args.exit_layer = &LeftBehind;
  if (Started.Count == 0)
    Started = {0, Sequence, Lengths[Sequence], Token};
  for (; Started.Count < Wanted; ++Started.Count) {
    const auto Position = static_cast<int32_t>(Started.Position + Started.Count);
    Args.position = &Position;
    Args.token = Started.Count == 0 ? &Token : nullptr;
    if (!Runner->ahead()->start(Entry, Args, Diags)) {
      Started.Count = 0;
      return false;
    }
  }
  return true;
}

/// The first step that was started counts now.
void Session::takeAhead(const lathe_logit &Found, int32_t Token, float *Logits) {
  int32_t Sequence = Started.Sequence;
  Held[Sequence].resize(Started.Position);
  Held[Sequence].push_back(Token);
  Lengths[Sequence] = Started.Position + 1;
  Started = {Started.Count - 1, Sequence, Started.Position + 1, Found.token};
  std::fill_n(Logits, resultWidth(), -std::numeric_limits<float>::infinity());
  Logits[Found.token] = Found.logit;
  LeftBehind = -1;
  Head = {.Steps = 1, .Positions = 1, .Whole = 0, .Rows = resultWidth()};
}

bool Session::appendAhead(int32_t Sequence, int32_t Token, int64_t More, float *Logits,
                          Diagnostics &Diags) {
  if (!checkSequence(Sequence, Diags))
    return false;
  More = std::min(More, mostAhead());
  if (More <= 0 && !isAhead(Sequence, Token))
    return append(Sequence, {&Token, 1}, LogitsOf::Last, Logits, Diags, /*Greatest=*/1);
  Row Alone = {Token, static_cast<int32_t>(Lengths[Sequence]), Sequence, true};
  if (!check({&Alone, 1}, Logits, Diags))
    return false;
  if (!Owed[Sequence].empty() && !settle(Sequence, {}, nullptr, Diags))
    return false;
  if (stopAsked(0, 1)) {
    Diags.error(807, {}, "interrupted with 1 rows to go");
    return false;
  }
  if (!isAhead(Sequence, Token))
    Started.Count = 0;
  int64_t Wanted = std::min(1 + More, Capacity - Lengths[Sequence]);
  lathe_logit Found;
  if (!fillAhead(Code.entryFor(1), Sequence, Token, Wanted, Diags) ||
      !Runner->ahead()->finish(Found, Diags)) {
    Started.Count = 0;
    return false;
  }
  takeAhead(Found, Token, Logits);
  return true;
}
