//===- AdaptiveRun.h - How much of a model a run takes ----------*- C++ -*-===//
//
// Makes what somebody asks of a run (layers, exits, a budget, a latency, a quality)
// into the layers that a sequence runs and the exits of its steps, by what was measured
// of the model where that is known.  The command line and the C interface ask here.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_ADAPTIVERUN_H
#define LATHE_RUNTIME_ADAPTIVE_ADAPTIVERUN_H

#include "runtime/adaptive/Calibration.h"
#include "runtime/adaptive/DecodeLoop.h"
#include "runtime/session/ExitPlan.h"
#include "runtime/session/LayerMask.h"
#include "runtime/support/Diagnostics.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

struct AdaptiveRequest {
  /// As LayerMask::parse takes them; neither: what was measured decides, if it is asked, else
  /// it is what the sequence runs.
  std::optional<std::string> Layers = std::nullopt, Skip = std::nullopt;
  /// As ExitChoice::parse takes it; none: what was measured decides, if it is asked.
  std::optional<std::string> Exit = std::nullopt;
  double Seconds = 0; ///< Mean of a step, above 0; 0: whatever it takes.
  /// Above 0: with `Exit` the mean part of the layers that run; else the most time of a step,
  /// relative to the whole model.
  double Budget = 0;
  double Quality = 0; ///< Least agreement that was measured, to 1.
};

/// What was measured of what a run did.
struct ExpectedRun {
  std::string Points; ///< "skip 14", "all layers, threshold:0.9"; empty: nothing was measured.
  double Agreement;   ///< Mean of the steps, 0 to 1; not a number where nothing is known.
  double Time;        ///< Of a step, relative to the whole model; likewise.
};

class AdaptiveRun {
public:
  /// `Measured`, which is read now alone, is of the model, or null; `Where` names its file.
  /// Nullopt with E0849 a wish that cannot be held beside the others or without
  /// `Measured`, and E0845 one that nothing meets.
  static std::optional<AdaptiveRun> choose(const AdaptiveRequest &Wanted,
                                           const Calibration *Measured, const std::string &Where,
                                           Diagnostics &Diags);

  /// Whether steps may leave early, for which a program needs exits.
  bool mayLeave() const { return How != "never"; }

  /// The layers that are chosen, as of AdaptiveRequest.
  const std::optional<std::string> &layersText() const { return Wanted.Layers; }
  const std::optional<std::string> &skipText() const { return Wanted.Skip; }

  /// Finds exits and layers in the program that it is to run, whose sequence runs `Now`
  /// where nobody asks for layers.  False with errors of ExitChoice::parse and
  /// LayerMask::parse.
  bool bind(const Manifest &Code, const LayerMask &Now, Diagnostics &Diags);

  const ExitChoice &exits() const { return Exits; }
  /// As of Session::setLayers; null: those that the sequence runs.
  const std::shared_ptr<const LayerMask> &layers() const { return Layers; }

  ExpectedRun expected(const ExitStats &Steps) const;

private:
  explicit AdaptiveRun(const AdaptiveRequest &Wanted) : Wanted(Wanted) {}
  bool check(bool HasMeasured, Diagnostics &Diags) const;
  bool choosePoints(const Calibration &Measured, const std::string &Where, Diagnostics &Diags);
  bool choosePolicy(const Calibration *Measured, const std::string &Where, Diagnostics &Diags);
  bool hasLayers() const { return Wanted.Layers || Wanted.Skip; }
  bool hasTarget() const { return Wanted.Seconds > 0 || Wanted.Budget > 0 || Wanted.Quality > 0; }

  AdaptiveRequest Wanted;
  std::string How = "never"; ///< As ExitChoice::parse takes it.
  double LayerShare = 0;     ///< Likewise.
  /// What was measured of each plan of `Exits`, or of the layers that run; empty: nothing.
  std::vector<OperatingPoint> Points;
  ExitChoice Exits;
  std::shared_ptr<const LayerMask> Layers;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_ADAPTIVERUN_H
