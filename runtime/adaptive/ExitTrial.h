//===- ExitTrial.h - A program with exits, tried ----------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_ADAPTIVE_EXITTRIAL_H
#define LATHE_RUNTIME_ADAPTIVE_EXITTRIAL_H

#include "runtime/adaptive/ExitCalibration.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace lathe {

class ExitTrial {
public:
  /// `WithExits` is the model with the exits.  `GoOn` is asked between steps; when it is
  /// false, it has told the error.  Both must outlive it.
  ExitTrial(const Model &WithExits, FittedExits &Fitted, std::function<bool()> GoOn)
      : Source(WithExits), Fitted(Fitted), GoOn(std::move(GoOn)) {}

  /// Sets the times of the points from steps that leave behind each exit, that ask all of
  /// them, and that ask none, in turn.  Errors are those of Session.
  bool measureTimes(const ExitTexts &Texts, Diagnostics &Diags);

  /// Sets the layers and bytes of the points; `HeadBytes` are those of the weights of the
  /// output head.
  void setShares(double HeadBytes);

  /// Finds the lowest threshold at which steps of the program keep the point's target, with
  /// DepthPoint::Confidence, on both kinds of the texts that thresholds are chosen by; infinity
  /// where none does.
  bool chooseThreshold(ExitPoint &Point, const ExitTexts &Texts, Diagnostics &Diags);

  /// Scores a point, and counts where its positions leave, by steps of the program.
  bool score(ExitPoint &Point, const ExitTexts &Texts, Diagnostics &Diags);

private:
  /// What steps of the program say of texts.
  struct Walk {
    ExitPolicy Policy;
    DepthScore Score = {};
    std::vector<int64_t> Left;                                   ///< As of ExitPoint.
    int64_t MostDiffering = std::numeric_limits<int64_t>::max(); ///< No more are looked at.

    bool goesOn() const { return Score.Positions - Score.Agreeing <= MostDiffering; }
  };

  std::unique_ptr<Session> createSession(size_t Sequences, size_t Positions,
                                         Diagnostics &Diags) const;
  ExitPlan planOf(const ExitPolicy &Policy) const;
  std::vector<double> timePlans(const std::vector<ExitPlan> &Plans, std::span<const int32_t> Tokens,
                                Diagnostics &Diags);
  void setTimes(const std::vector<double> &Leaving, double Asking, double Whole);
  bool walk(Session &Run, const ScoredText &Text, const ExitSamples &Samples, Walk &Into,
            Diagnostics &Diags);
  std::optional<bool> keeps(Session &Run, float Threshold, double Target, const ExitTexts &Texts,
                            Diagnostics &Diags);

  const Model &Source;
  FittedExits &Fitted;
  std::function<bool()> GoOn;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_EXITTRIAL_H
