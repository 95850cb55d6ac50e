//===- PointController.h - Holds what steps cost near a target --*- C++ -*-===//
//
// A step can be made in one of several ways, its points, of which better ones cost
// more: seconds, or a share of the layers.  The mean cost shall be near a target.
//
// Steps that cost less than the target save up, and those that cost more spend that;
// every few steps the best point is taken that what is saved can pay for.  So points on
// both sides of the target take turns.  What points cost is measured: a point that was
// not tried yet is tried once its better neighbours are too dear, and when the machine
// becomes slower, all points are taken to have become so.
//
// Nothing here allocates memory.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_POINTCONTROLLER_H
#define LATHE_RUNTIME_ADAPTIVE_POINTCONTROLLER_H

#include <array>
#include <cstdint>

namespace lathe {

class PointController {
public:
  static constexpr int64_t MaxPoints = 8;
  /// Steps from one change of the point to the next, at least.
  static constexpr int64_t Patience = 8;
  /// As much as so many steps of the target cost is saved, or owed, at most: older steps
  /// are forgiven.
  static constexpr double Memory = 16;

  /// For `Points` points, 1 to MaxPoints, the best one first; `Target` is above 0.
  PointController(double Target, int64_t Points) : Target(Target), Points(Points) {}

  /// The point for the next step.
  int64_t choose() const { return Now; }

  /// The step cost so much, above 0.
  void told(double Cost);

private:
  void learn(double Cost);

  double Target;
  int64_t Points;
  int64_t Now = 0;
  int64_t Steps = 0;                        ///< Since the last change.
  double Saved = 0;                         ///< Of all steps; negative: owed.
  std::array<double, MaxPoints> Mean = {};  ///< Of the cost of each point.
  std::array<int64_t, MaxPoints> Seen = {}; ///< Steps of each point; 0: its mean is unknown.
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_POINTCONTROLLER_H
