//===- Session.h - Running steps of a program -------------------*- C++ -*-===//
//
// A session keeps what a number of sequences are made of, and its runner everything
// that a step writes: the arena, scratch memory and the KV cache.  Arithmetic on
// activations happens in compiled code alone; a session checks and passes on.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_SESSION_H
#define LATHE_RUNTIME_SESSION_SESSION_H

#include "runtime/adaptive/HeadController.h"
#include "runtime/adaptive/StepTimes.h"
#include "runtime/session/ExitPlan.h"
#include "runtime/session/LayerMask.h"
#include "runtime/session/StepRunner.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedMemory.h"
#include "runtime/weights/WeightStore.h"
#include "runtime/workers/WorkerPool.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace lathe {

/// One token of one sequence.
struct Row {
  int32_t Token;    ///< < vocabulary.
  int32_t Position; ///< The next position of the sequence; < capacity.
  int32_t Sequence; ///< < sequences.
  bool WantsLogits;
};

/// Which tokens of a call want logits.
enum class LogitsOf { None, Last, All };

struct SessionOptions {
  int64_t Capacity = 0;     ///< Positions per sequence, rounded up to 256; 0: the model's context.
  int64_t Sequences = 1;    ///< KV caches.
  int64_t PrefillChunk = 0; ///< Most rows given to one entry call; 0: as many as an entry takes.
  /// Looked at before each entry call; a step ends with E0807 once it is set.
  /// May be null; must outlive the session.
  const std::atomic<bool> *Cancel = nullptr;
  /// Called before each entry call with the rows of the step that are done and
  /// all of them; false ends the step as `Cancel` does.
  std::function<bool(int64_t Done, int64_t Rows)> OnChunk = {};
  MemorySource Memory = {}; ///< For KV caches, activations and workers; else the kernel's.
  /// What sequences run until `setLayers`; made for the session's program.  Null: all.
  std::shared_ptr<const LayerMask> Layers = nullptr;
};

/// Not thread-safe.  What it runs on must outlive it; sessions may share that, and those
/// that share workers take turns call by call.
class Session {
public:
  /// E0805 options out of range, E0810 or E0855 out of memory; null on error.
  static std::unique_ptr<Session> create(Executor &On, const SessionOptions &Options,
                                         Diagnostics &Diags);
  /// On the workers of this process.
  static std::unique_ptr<Session> create(const Program &Code, WeightView Weights,
                                         WorkerPool &Workers, const SessionOptions &Options,
                                         Diagnostics &Diags);

  /// Runs `Rows` in order: in one call of the smallest entry that takes them,
  /// or in chunks of the largest.  Rows of different sequences may be mixed;
  /// those of one sequence continue it without gaps.  Neighbours that run other
  /// layers are in calls of their own.  `Logits` receives
  /// [rows that want them][vocabulary] and may be null when none does.
  ///
  /// All rows are checked before any runs (E0801 token, E0802 position, E0803
  /// sequence, E0804 missing logits).  When a call fails (E0806) or is
  /// cancelled (E0807), the sequences keep the chunks that were done.
  ///
  /// Of each row the `Greatest` greatest logits are needed, 0: all.  Others may be
  /// -infinity, where `greatestLogits` says so.  A row that is alone may leave the stack
  /// as `Exits` says, which is made for the session's program; null: never.
  bool step(std::span<const Row> Rows, float *Logits, Diagnostics &Diags, int64_t Greatest = 0,
            const ExitPlan *Exits = nullptr);

  /// Steps with `Tokens` as the next positions of `Sequence`.  `Logits` receives
  /// [none, 1 or tokens][vocabulary].  Errors are those of `step`.
  bool append(int32_t Sequence, std::span<const int32_t> Tokens, LogitsOf Wanted, float *Logits,
              Diagnostics &Diags, int64_t Greatest = 0, const ExitPlan *Exits = nullptr);

  /// As `append` of one token with the greatest of its logits, for callers that go on with
  /// the token that has it: up to `More` steps behind this one are started with such tokens
  /// where the device finds them by itself (0 to mostAhead()), and wait for being asked for by
  /// this function.  They count from then on; any other call that changes a sequence drops
  /// them.  Errors are those of `step`.
  bool appendAhead(int32_t Sequence, int32_t Token, int64_t More, float *Logits,
                   Diagnostics &Diags);

  /// Most steps that are started behind one; 0: all steps wait for their tokens.
  int64_t mostAhead() const;

  /// Whether the step of `Token` as the next position of `Sequence` was started already.
  bool isAhead(int32_t Sequence, int32_t Token) const;

  /// The layer behind which the latest `step` left the stack, or -1.
  int64_t leftBehind() const { return LeftBehind; }

  const Manifest &manifest() const { return Code.manifest(); }

  /// Most of the greatest logits of each row of a step of `Rows` that are found without
  /// computing all; 0: all are computed.
  int64_t greatestLogits(int64_t Rows = 1) const;

  /// What it took to find them, in the latest `step`.
  const HeadReport &headReport() const { return Head; }

  /// Runs `Tokens` as the next positions of `Sequence` in one call of compiled
  /// code; `Logits` receives [tokens][vocabulary].  Only the first counts: the
  /// sequence grows by one position.  The others are guesses, each of which
  /// `accept` may make count until the sequence changes in another way.
  ///
  /// At most verifyRows() tokens.  Errors are those of `step`, and so is `Greatest`.
  bool verify(int32_t Sequence, std::span<const int32_t> Tokens, float *Logits, Diagnostics &Diags,
              int64_t Greatest = 0);

  /// Makes the next position of `Sequence` count, if `verify` ran it with `Token`.
  /// Otherwise forgets all guesses and is false.
  bool accept(int32_t Sequence, int32_t Token);

  /// Most tokens of one `verify`: the rows of the smallest entry that takes several.
  int64_t verifyRows() const;

  /// What steps of a few rows take, as whoever runs them has measured it.
  StepTimes &stepTimes() { return Times; }

  /// E0803, and false, when there is no such sequence.
  bool checkSequence(int32_t Sequence, Diagnostics &Diags) const;

  /// Chooses the layers that `Sequence`, which must exist, runs from its first position
  /// on; null: all.  E0842, and false, when it holds positions that other layers made.
  bool setLayers(int32_t Sequence, std::shared_ptr<const LayerMask> Layers, Diagnostics &Diags);

  /// The layers that `Sequence` runs.
  const LayerMask &layers(int32_t Sequence) const { return *Layers[Sequence]; }

  /// Positions that `Sequence` holds.
  int64_t length(int32_t Sequence) const { return Lengths[Sequence]; }

  /// The tokens of those positions; until the sequence changes.
  std::span<const int32_t> tokens(int32_t Sequence) const {
    return std::span(Held[Sequence]).first(Lengths[Sequence]);
  }

  /// Forgets all positions of `Sequence` from `Length` on.  A length beyond the
  /// current one changes nothing.  Length 0 gives the memory back, but for what a short
  /// conversation takes.
  void truncate(int32_t Sequence, int64_t Length);

  int64_t capacity() const { return Capacity; }
  int64_t sequences() const { return static_cast<int64_t>(Lengths.size()); }
  int64_t vocabulary() const { return Code.manifest().Model.Vocabulary; }
  /// Elements of a row of results: of logits as many as tokens.
  int64_t resultWidth() const { return Code.manifest().resultWidth(); }
  MemoryReport memory() const { return Runner->memory(); }

private:
  Session(const Program &Code, const SessionOptions &Options);
  bool allocate(Executor &On, Diagnostics &Diags);
  bool check(std::span<const Row> Rows, const float *Logits, Diagnostics &Diags) const;
  bool stopAsked(int64_t Done, int64_t Total) const;
  size_t countAlike(std::span<const Row> Rows) const;
  bool runRows(std::span<const Row> Rows, float *Logits, Diagnostics &Diags, int64_t Greatest,
               const ExitPlan &Exits);
  bool stepAlone(const Row &Alone, float *Logits, Diagnostics &Diags, int64_t Greatest,
                 const ExitPlan &Exits);
  bool countsAbove(std::span<const int64_t> Debt) const;
  bool settle(int32_t Sequence, std::span<const Row> Next, float *Logits, Diagnostics &Diags);
  bool runChunk(size_t Entry, std::span<const Row> Rows, float *Logits, int64_t Greatest,
                const ExitPlan &Exits, Diagnostics &Diags);
  void addHeadReport(int64_t Greatest);
  bool fillAhead(size_t Entry, int32_t Sequence, int32_t Token, int64_t Wanted, Diagnostics &Diags);
  void takeAhead(const lathe_logit &Found, int32_t Token, float *Logits);

  /// Steps that were started ahead of being asked for.
  struct Queue {
    int64_t Count = 0; ///< Where it is 0, nothing else means anything.
    int32_t Sequence = 0;
    int64_t Position = 0; ///< Of the first ...
    int32_t Token = 0;    ///< ... and its token.
  };

  const Program &Code;
  SessionOptions Options;
  int64_t Capacity = 0;
  std::unique_ptr<StepRunner> Runner; ///< Never null once there is a session.
  std::vector<int64_t> Lengths;       ///< Per sequence.
  /// Per sequence; never null.
  std::vector<std::shared_ptr<const LayerMask>> Layers;
  /// Per sequence, the token of every position that was run.  Those behind its
  /// length are guesses.
  std::vector<std::vector<int32_t>> Held;
  /// Per sequence: the last positions that left the stack early, and whose keys and values of
  /// the layers behind are owed; of each the layer behind which it left.
  std::vector<std::vector<int64_t>> Owed;
  std::vector<Row> Again; ///< What is owed, while it is run.
  StepTimes Times;
  HeadReport Head;
  ExitPlan Never; ///< Of steps that may not leave the stack.
  int64_t LeftBehind = -1;
  Queue Started;
  std::vector<int64_t> HeadReports; ///< Of all workers, as lathe_step_args wants them.

  // The columns of the current chunk, as lathe_step_args wants them.
  std::vector<int32_t> Tokens, Positions, Sequences, LogitsRows;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_SESSION_H
