//===- ExitTrial.h - A program with exits, tried ----------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_ADAPTIVE_EXITTRIAL_H
#define LATHE_RUNTIME_ADAPTIVE_EXITTRIAL_H

#include "runtime/adaptive/ExitCalibration.h"

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

  /// Scores a point, and counts where its positions leave, by steps of the program.
  bool score(ExitPoint &Point, const ExitTexts &Texts, Diagnostics &Diags);

private:
  std::unique_ptr<Session> createSession(size_t Sequences, size_t Positions,
                                         Diagnostics &Diags) const;
  ExitPlan planOf(const ExitPolicy &Policy) const;
  std::vector<double> timePlans(const std::vector<ExitPlan> &Plans, std::span<const int32_t> Tokens,
                                Diagnostics &Diags);
  void setTimes(const std::vector<double> &Leaving, double Asking, double Whole);
  bool scoreText(Session &Run, const ScoredText &Text, const ExitSamples &Samples, DepthScore &Into,
                 ExitPoint &Point, Diagnostics &Diags);

  const Model &Source;
  FittedExits &Fitted;
  std::function<bool()> GoOn;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_EXITTRIAL_H
