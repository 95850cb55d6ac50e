//===- ExitPlan.h - When a row may leave the stack early --------*- C++ -*-===//
//
// A program may have exits: layers behind which a step of one row can leave the
// stack, when the confidence there reaches what the step asks for.  Which tokens
// come out then is not what the whole model says.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_EXITPLAN_H
#define LATHE_RUNTIME_SESSION_EXITPLAN_H

#include "runtime/session/Manifest.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lathe {

class ExitPlan {
public:
  /// Never leaves.
  explicit ExitPlan(const Manifest &Code);

  /// Leaves behind `Layer`, whatever the confidence.
  static ExitPlan always(const Manifest &Code, int64_t Layer);

  /// Leaves behind the first exit whose confidence is at least `Confidence`.
  static ExitPlan above(const Manifest &Code, float Confidence);

  /// lathe_step_args::exit_at.
  const float *at() const { return At.data(); }

  /// Whether a row may leave at all.
  bool leaves() const;

private:
  std::vector<float> At; ///< Of each layer of the model.
};

/// What the steps of a generation may do.
struct ExitChoice {
  std::vector<ExitPlan> Plans; ///< The best one first; none: no step leaves.
  /// Of several plans those that keep the mean time of a step near so many seconds ...
  double Seconds = 0;
  /// ... or the mean part of the layers that run near this; neither: there is one plan.
  double Layers = 0;

  /// `Text` is "never"; "always-at:L", behind layer L whatever the confidence; or
  /// "threshold:X", behind the first exit whose confidence is at least X.  With `Seconds`
  /// or `Layers`, 0 for none, it is "threshold:X,Y,...", descending.  Nullopt with E0847.
  static std::optional<ExitChoice> parse(std::string_view Text, double Seconds, double Layers,
                                         const Manifest &Code, Diagnostics &Diags);
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_EXITPLAN_H
