//===- PointController.cpp - Holds what steps cost near a target -*- C++ -*-===//

#include "runtime/adaptive/PointController.h"

#include <algorithm>

namespace lathe {

/// The part of a mean that a step more makes up, once there are many.
static constexpr double Weight = 1.0 / 32;

/// The mean of the point; those of the others move along, as they share the machine.
void PointController::learn(double Cost) {
  double Before = Mean[Now];
  double Part = std::max(Weight, 1.0 / static_cast<double>(++Seen[Now]));
  Mean[Now] += Part * (Cost - Before);
  if (Before == 0 || Part > Weight)
    return;
  for (int64_t Other = 0; Other < Points; ++Other)
    if (Other != Now)
      Mean[Other] *= Mean[Now] / Before;
}

void PointController::told(double Cost) {
  learn(Cost);
  Saved = std::clamp(Saved + Target - Cost, -Memory * Target, Memory * Target);
  if (++Steps < Patience)
    return;
  // What the next steps may cost each, so that nothing is owed behind them.
  double Affordable = Target + Saved / static_cast<double>(Patience);
  int64_t Best = 0;
  while (Best + 1 < Points && Seen[Best] != 0 && Mean[Best] > Affordable)
    ++Best;
  if (Best == Now)
    return;
  Now = Best;
  Steps = 0;
}

} // namespace lathe
