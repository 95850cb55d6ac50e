//===- HeadController.h - Whether to screen the output head -----*- C++ -*-===//
//
// Where a step is asked for few logits, a program may find them without reading
// all of the output head (docs/head-screening.md).  How much that saves depends on
// the text and on the machine, so it is watched: plain and screened steps are timed
// beside each other now and then, and where too many rows survive, or screening
// takes longer, the whole head is asked for, for a while.  Steps of several rows have a
// controller of their own: they save other work, and each of their rows has survivors.
//
// Nothing here allocates memory.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_HEADCONTROLLER_H
#define LATHE_RUNTIME_ADAPTIVE_HEADCONTROLLER_H

#include "runtime/support/Diagnostics.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lathe {

/// What computing the logits of some steps took.
struct HeadReport {
  int64_t Steps = 0;     ///< That were screened ...
  int64_t Positions = 0; ///< ... with so many rows of logits, ...
  int64_t Whole = 0; ///< ... of which so many needed all rows of the head, of a worker at least.
  int64_t Rows = 0;  ///< Rows of the head that were computed, for all rows of logits together.

  HeadReport &operator+=(const HeadReport &Other);
};

enum class HeadMode { Auto, Full, Screened };

/// "auto", "full" or "screened"; nullopt with E0817 for anything else.
std::optional<HeadMode> parseHeadMode(std::string_view Text, Diagnostics &Diags);

class HeadController {
public:
  /// Steps from one comparison of times to the next, and what one takes: screened and
  /// whole steps in turn.
  static constexpr int64_t Interval = 512, Trial = 10;
  /// Steps before the first.
  static constexpr int64_t FirstTrial = 32;
  /// More than `TooManyWhole` of so many screened positions that computed all rows end
  /// screening for `Pause` steps.
  static constexpr int64_t Window = 16, TooManyWhole = 8, Pause = 64;

  /// `Wanted`: how many logits are wanted of each step, 0 for all; `Offered`: how many
  /// the program can find, 0 for none.
  HeadController(HeadMode Mode, int64_t Wanted, int64_t Offered)
      : Mode(Mode), Wanted(Wanted), Offered(Offered) {}

  /// How many logits to ask the next step for; 0: all.
  int64_t choose();

  /// The step after `choose` took `Seconds` (or any measure of time that compares the
  /// steps) and, if it was screened, `Report`.
  void told(double Seconds, const HeadReport &Report);

private:
  bool isTrial() const;
  void closeTrial();
  void watch(const HeadReport &Report);

  HeadMode Mode;
  int64_t Wanted, Offered;
  bool Pays = true, Screening = false;
  int64_t Step = 0;                       ///< Steps so far.
  int64_t PauseLeft = 0;                  ///< Steps to go without.
  int64_t Seen = 0;                       ///< Screened positions of this window ...
  int64_t SeenWhole = 0;                  ///< ... and those that computed all.
  std::array<double, Trial> Seconds = {}; ///< Of the trial, screened and whole in turn.
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_HEADCONTROLLER_H
