//===- Binomial.cpp - What counts say of a share ----------------*- C++ -*-===//

#include "runtime/support/Binomial.h"

#include <cmath>

namespace lathe {

/// The probability of at least `Successes` of `Trials`, each of probability `Share`.
static double tailProbability(int64_t Successes, int64_t Trials, double Share) {
  double Sum = 0, LogTrials = std::lgamma(static_cast<double>(Trials) + 1);
  for (int64_t I = Successes; I <= Trials; ++I) {
    double Hits = static_cast<double>(I), Misses = static_cast<double>(Trials - I);
    Sum += std::exp(LogTrials - std::lgamma(Hits + 1) - std::lgamma(Misses + 1) +
                    Hits * std::log(Share) + Misses * std::log1p(-Share));
  }
  return Sum;
}

double lowerBound(int64_t Successes, int64_t Trials, double Confidence) {
  if (Successes <= 0)
    return 0;
  double Low = 0, High = 1;
  for (int Step = 0; Step < 60; ++Step) {
    double Middle = (Low + High) / 2;
    (tailProbability(Successes, Trials, Middle) > 1 - Confidence ? High : Low) = Middle;
  }
  return Low;
}

} // namespace lathe
