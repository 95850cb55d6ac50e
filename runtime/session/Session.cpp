//===- Session.cpp - Running steps of a program -----------------*- C++ -*-===//

#include "runtime/session/Session.h"

#include "runtime/session/HostExecutor.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/FaultList.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <string>
#include <utility>

namespace lathe {

/// Slabs start on pages, so that one can be given back without its neighbours.
static constexpr uint64_t SlabAlignment = 4096;
static constexpr int64_t MaxPositions =
    std::numeric_limits<int32_t>::max() / KVPositionGranule * KVPositionGranule;
static constexpr int64_t MaxSequences = 4096;

Session::Session(const Program &Code, const SessionOptions &Options)
    : Code(Code), Options(Options), Never(Code.manifest()) {}

static bool checkOption(const char *Name, int64_t Value, int64_t Least, int64_t Most,
                        Diagnostics &Diags) {
  if (Value >= Least && Value <= Most)
    return true;
  Diags.error(805, std::string("session option '") + Name + "'",
              "found " + std::to_string(Value) + ", expected " + std::to_string(Least) + " to " +
                  std::to_string(Most));
  return false;
}

std::unique_ptr<Session> Session::create(Executor &On, const SessionOptions &Options,
                                         Diagnostics &Diags) {
  bool Valid = checkOption("capacity", Options.Capacity, 0, MaxPositions, Diags);
  Valid &= checkOption("sequences", Options.Sequences, 1, MaxSequences, Diags);
  Valid &= checkOption("prefill chunk", Options.PrefillChunk, 0,
                       std::numeric_limits<int32_t>::max(), Diags);
  if (!Valid)
    return nullptr;
  std::unique_ptr<Session> Result(new Session(On.program(), Options));
  if (!Result->allocate(On, Diags))
    return nullptr;
  return Result;
}

std::unique_ptr<Session> Session::create(const Program &Code, WeightView Weights,
                                         WorkerPool &Workers, const SessionOptions &Options,
                                         Diagnostics &Diags) {
  HostExecutor On(Code, Weights, Workers);
  return create(On, Options, Diags);
}

bool Session::allocate(Executor &On, Diagnostics &Diags) {
  const Manifest &Program = Code.manifest();
  int64_t Wanted = Options.Capacity ? Options.Capacity : Program.Model.Context;
  Capacity = std::min(Wanted + KVPositionGranule - 1, MaxPositions) / KVPositionGranule *
             KVPositionGranule;
  // The manifest bounds bytes per position to 2^42 and positions are below 2^31.
  std::optional<uint64_t> Slab = checkedMul<uint64_t>(Capacity, Program.KVBytesPerPosition);
  if (Slab)
    Slab = checkedAlign<uint64_t>(*Slab, SlabAlignment);
  StepMemory Memory;
  Memory.Capacity = Capacity;
  Memory.Sequences = Options.Sequences;
  Memory.SlabBytes = Slab.value_or(std::numeric_limits<uint64_t>::max());
  Memory.Source = Options.Memory;
  Runner = On.createRunner(Memory, Diags);
  if (!Runner)
    return false;
  Lengths.assign(Options.Sequences, 0);
  if (!Options.Layers)
    Options.Layers = std::make_shared<const LayerMask>(Program);
  Layers.assign(Options.Sequences, Options.Layers);
  Held.resize(Options.Sequences);
  Owed.resize(Options.Sequences);
  HeadReports.resize(static_cast<size_t>(Runner->workers()) * LATHE_HEAD_REPORT_BYTES /
                     sizeof(int64_t));
  return true;
}

bool Session::check(std::span<const Row> Rows, const float *Logits, Diagnostics &Diags) const {
  FaultList Faults(Diags, "step");
  auto NotBelow = [&](unsigned Number, const std::string &Where, const char *What, int64_t Found,
                      int64_t Limit) {
    if (Found >= 0 && Found < Limit)
      return false;
    Faults.error(Number, Where,
                 "found " + (What + (" " + std::to_string(Found))) + ", expected 0 to " +
                     std::to_string(Limit - 1));
    return true;
  };
  std::vector<int64_t> Next = Lengths;
  for (size_t I = 0; I < Rows.size(); ++I) {
    const Row &Each = Rows[I];
    std::string Where = "row " + std::to_string(I);
    NotBelow(801, Where, "token", Each.Token, vocabulary());
    if (Each.WantsLogits && !Logits)
      Faults.error(804, Where, "wants logits, but there is no memory for them");
    if (NotBelow(803, Where, "sequence", Each.Sequence, sequences()) ||
        NotBelow(802, Where, "position", Each.Position, Capacity))
      continue;
    if (int64_t Expected = Next[Each.Sequence]++; Each.Position != Expected)
      Faults.error(802, Where,
                   "found position " + std::to_string(Each.Position) + " in sequence " +
                       std::to_string(Each.Sequence) + ", expected " + std::to_string(Expected));
  }
  return !Faults.any();
}

bool Session::append(int32_t Sequence, std::span<const int32_t> Tokens, LogitsOf Wanted,
                     float *Logits, Diagnostics &Diags, int64_t Greatest, const ExitPlan *Exits) {
  if (!checkSequence(Sequence, Diags))
    return false;
  std::vector<Row> Rows;
  Rows.reserve(Tokens.size());
  int64_t Position = length(Sequence);
  for (int32_t Token : Tokens)
    Rows.push_back({Token, static_cast<int32_t>(Position++), Sequence, Wanted == LogitsOf::All});
  if (Wanted == LogitsOf::Last && !Rows.empty())
    Rows.back().WantsLogits = true;
  return step(Rows, Logits, Diags, Greatest, Exits);
}

int64_t Session::greatestLogits(int64_t Rows) const {
  return Code.manifest().Entries[Code.entryFor(Rows)].GreatestLogits;
}

int64_t Session::verifyRows() const {
  std::span<const ManifestEntry> Entries = Code.manifest().Entries;
  auto Several = std::ranges::find_if(Entries, [](auto &Each) { return Each.MaxRows > 1; });
  int64_t Rows = Several == Entries.end() ? 1 : std::min(Several->MaxRows, StepTimes::MaxRows);
  return Options.PrefillChunk ? std::min(Rows, Options.PrefillChunk) : Rows;
}

bool Session::verify(int32_t Sequence, std::span<const int32_t> Tokens, float *Logits,
                     Diagnostics &Diags, int64_t Greatest) {
  assert(!Tokens.empty() && static_cast<int64_t>(Tokens.size()) <= verifyRows() &&
         "guesses of more than one call");
  if (!append(Sequence, Tokens, LogitsOf::All, Logits, Diags, Greatest))
    return false;
  Lengths[Sequence] -= static_cast<int64_t>(Tokens.size()) - 1;
  return true;
}

bool Session::accept(int32_t Sequence, int32_t Token) {
  std::vector<int32_t> &Ran = Held[Sequence];
  int64_t &Length = Lengths[Sequence];
  if (Length < static_cast<int64_t>(Ran.size()) && Ran[Length] == Token) {
    ++Length;
    return true;
  }
  Ran.resize(Length);
  return false;
}

bool Session::checkSequence(int32_t Sequence, Diagnostics &Diags) const {
  if (Sequence >= 0 && Sequence < sequences())
    return true;
  Diags.error(803, "session",
              "found sequence " + std::to_string(Sequence) + ", expected 0 to " +
                  std::to_string(sequences() - 1));
  return false;
}

bool Session::stopAsked(int64_t Done, int64_t Total) const {
  return (Options.Cancel && Options.Cancel->load(std::memory_order_relaxed)) ||
         (Options.OnChunk && !Options.OnChunk(Done, Total));
}

bool Session::step(std::span<const Row> Rows, float *Logits, Diagnostics &Diags, int64_t Greatest,
                   const ExitPlan *Exits) {
  if (!check(Rows, Logits, Diags))
    return false;
  Head = {};
  LeftBehind = -1;
  // Whether others left would hang on how rows are chunked.
  if (Exits && Rows.size() == 1 && Exits->leaves())
    return stepAlone(Rows.front(), Logits, Diags, Greatest, *Exits);
  for (const Row &Each : Rows)
    if (!Owed[Each.Sequence].empty() && !settle(Each.Sequence, {}, nullptr, Diags))
      return false;
  return runRows(Rows, Logits, Diags, Greatest, Never);
}

bool Session::runRows(std::span<const Row> Rows, float *Logits, Diagnostics &Diags,
                      int64_t Greatest, const ExitPlan &Exits) {
  int64_t Total = static_cast<int64_t>(Rows.size());
  while (!Rows.empty()) {
    if (stopAsked(Total - static_cast<int64_t>(Rows.size()), Total)) {
      Diags.error(807, {}, "interrupted with " + std::to_string(Rows.size()) + " rows to go");
      return false;
    }
    int64_t Count = static_cast<int64_t>(countAlike(Rows));
    if (Options.PrefillChunk)
      Count = std::min(Count, Options.PrefillChunk);
    size_t Entry = Code.entryFor(Count);
    Count = std::min(Count, Code.manifest().Entries[Entry].MaxRows);
    if (!runChunk(Entry, Rows.first(Count), Logits, Greatest, Exits, Diags))
      return false;
    // Nobody wants logits when there is no memory for them.
    if (Logits)
      Logits += static_cast<int64_t>(LogitsRows.size()) * resultWidth();
    Rows = Rows.subspan(Count);
  }
  return true;
}

/// Whether the latest row, which may have left, read nothing that is owed: layers behind the
/// first that somebody left behind have no keys and values of that position.
bool Session::countsAbove(std::span<const int64_t> Debt) const {
  if (Debt.empty())
    return true;
  return LeftBehind >= 0 && LeftBehind <= std::ranges::min(Debt);
}

/// A row that may leave.  What it gives counts only above keys and values that are there.
bool Session::stepAlone(const Row &Alone, float *Logits, Diagnostics &Diags, int64_t Greatest,
                        const ExitPlan &Exits) {
  std::vector<int64_t> &Debt = Owed[Alone.Sequence];
  // More would not fit into the entry of a few rows.
  if (Debt.empty() || std::ssize(Debt) + 1 < verifyRows()) {
    if (!runRows({&Alone, 1}, Logits, Diags, Greatest, Exits))
      return false;
    if (countsAbove(Debt)) {
      if (LeftBehind >= 0 && Code.manifest().Behind == "defer")
        Debt.push_back(LeftBehind);
      return true;
    }
    LeftBehind = -1;
    --Lengths[Alone.Sequence];
  }
  return settle(Alone.Sequence, {&Alone, 1}, Logits, Diags);
}

/// Runs what is owed by all layers, and `Next` behind it.
bool Session::settle(int32_t Sequence, std::span<const Row> Next, float *Logits,
                     Diagnostics &Diags) {
  std::vector<int64_t> &Debt = Owed[Sequence];
  int64_t Length = Lengths[Sequence], First = Length - std::ssize(Debt);
  Again.clear();
  for (int64_t Position = First; Position < Length; ++Position)
    Again.push_back({Held[Sequence][Position], static_cast<int32_t>(Position), Sequence, false});
  Again.insert(Again.end(), Next.begin(), Next.end());
  Lengths[Sequence] = First;
  bool Done = runRows(Again, Logits, Diags, /*Greatest=*/0, Never);
  // What was not run is as it was: it is still owed.
  Debt.erase(Debt.begin(), Debt.begin() + std::min(Lengths[Sequence] - First, std::ssize(Debt)));
  Lengths[Sequence] = std::max(Length, Lengths[Sequence]);
  return Done;
}

/// Rows at the front that run the same layers, of the same widths.
size_t Session::countAlike(std::span<const Row> Rows) const {
  const std::shared_ptr<const LayerMask> &First = Layers[Rows.front().Sequence];
  auto Other = std::ranges::find_if(Rows, [&](const Row &Each) {
    const std::shared_ptr<const LayerMask> &Own = Layers[Each.Sequence];
    return Own != First && *Own != *First;
  });
  return static_cast<size_t>(Other - Rows.begin());
}

/// Adds what all workers told of finding the greatest logits.
void Session::addHeadReport(int64_t Greatest) {
  if (Greatest == 0 || LogitsRows.empty())
    return;
  uint64_t Whole = 0;
  // A device finds the greatest of all.
  if (HeadReports.empty())
    Head.Rows += static_cast<int64_t>(LogitsRows.size()) * resultWidth();
  for (size_t I = 0; I < HeadReports.size(); I += LATHE_HEAD_REPORT_BYTES / sizeof(int64_t)) {
    Head.Rows += HeadReports[I];
    Whole |= static_cast<uint64_t>(HeadReports[I + 1]);
  }
  Head.Whole += std::popcount(Whole);
  Head.Positions += static_cast<int64_t>(LogitsRows.size());
  ++Head.Steps;
}

bool Session::runChunk(size_t Entry, std::span<const Row> Rows, float *Logits, int64_t Greatest,
                       const ExitPlan &Exits, Diagnostics &Diags) {
  const ManifestEntry &Called = Code.manifest().Entries[Entry];
  if (Greatest > Called.GreatestLogits)
    Greatest = 0;
  Tokens.clear(), Positions.clear(), Sequences.clear(), LogitsRows.clear();
  for (const Row &Each : Rows) {
    if (Each.WantsLogits)
      LogitsRows.push_back(static_cast<int32_t>(Tokens.size()));
    Tokens.push_back(Each.Token);
    Positions.push_back(Each.Position);
    Sequences.push_back(Each.Sequence);
  }
  lathe_step_args Args = {};
  Args.rows = static_cast<int64_t>(Rows.size());
  Args.token = Tokens.data();
  Args.position = Positions.data();
  Args.sequence = Sequences.data();
  Args.logits_rows = static_cast<int64_t>(LogitsRows.size());
  Args.logits_row = LogitsRows.data();
  Args.logits = Logits;
  Args.layer_runs = Layers[Rows.front().Sequence]->runs();
  Args.widths = Layers[Rows.front().Sequence]->widths();
  Args.wanted_logits = Greatest;
  Args.head_report = HeadReports.data();
  Args.exit_at = Exits.at();
  Args.exit_layer = &LeftBehind;
  Started.Count = 0;
  if (!Runner->run(Entry, Args, Diags))
    return false;
  addHeadReport(Greatest);
  for (const Row &Each : Rows) {
    Held[Each.Sequence].resize(Each.Position);
    Held[Each.Sequence].push_back(Each.Token);
    Lengths[Each.Sequence] = Each.Position + 1;
  }
  return true;
}

bool Session::setLayers(int32_t Sequence, std::shared_ptr<const LayerMask> Wanted,
                        Diagnostics &Diags) {
  if (!Wanted)
    Wanted = std::make_shared<const LayerMask>(Code.manifest());
  const LayerMask &Now = *Layers[Sequence];
  if (Lengths[Sequence] != 0 && !Now.runsAs(*Wanted)) {
    std::string Without = Now.skippedText();
    Diags.error(842, "sequence " + std::to_string(Sequence),
                "found " + std::to_string(Lengths[Sequence]) + " positions that were run " +
                    (Without.empty() ? "with all layers" : "without the layers " + Without) +
                    ", expected none, as other layers are asked for",
                "truncate the sequence to length 0 first");
    return false;
  }
  Layers[Sequence] = std::move(Wanted);
  Started.Count = 0;
  return true;
}

void Session::truncate(int32_t Sequence, int64_t Length) {
  if (Length >= Lengths[Sequence])
    return;
  Length = std::max<int64_t>(Length, 0);
  Started.Count = 0;
  // The last positions are those that are owed.
  std::vector<int64_t> &Debt = Owed[Sequence];
  Debt.resize(std::max<int64_t>(std::ssize(Debt) - (Lengths[Sequence] - Length), 0));
  Lengths[Sequence] = Length;
  Held[Sequence].resize(Lengths[Sequence]);
  if (Lengths[Sequence] == 0)
    Runner->forget(Sequence);
}

} // namespace lathe
