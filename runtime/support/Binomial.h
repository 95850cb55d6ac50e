//===- Binomial.h - What counts say of a share ------------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_BINOMIAL_H
#define LATHE_RUNTIME_SUPPORT_BINOMIAL_H

#include <cstdint>

namespace lathe {

/// The greatest share that `Successes` of `Trials` reject as too low with confidence
/// `Confidence`: the one-sided bound of Clopper and Pearson (1934).
double lowerBound(int64_t Successes, int64_t Trials, double Confidence);

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_BINOMIAL_H
