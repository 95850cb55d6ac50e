//===- FitHeads.h - Heads in closed form ------------------------*- C++ -*-===//
//
// Ridge regression of one-hot labels on standardised vectors, at each depth on those
// of all depths so far.  The normal equations of a depth are the leading block of those
// of the last, and so are their Cholesky factors: one factorisation gives all heads.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_FITHEADS_H
#define LATHE_RUNTIME_CLASSIFY_FITHEADS_H

#include "runtime/classify/ExitHeads.h"

namespace lathe {

/// The heads of all depths, with temperatures of 1.  The penalty is 0.1 times the number
/// of texts, of which there must be at least one; a feature that does not vary counts
/// for nothing.
std::vector<ExitHead> fitHeads(const LabelledVectors &Texts, size_t Labels);

/// Chooses the temperature of each head so that the true labels of these texts, which the
/// heads have not seen, are likeliest.
void fitTemperatures(std::vector<ExitHead> &Heads, const LabelledVectors &Texts);

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_FITHEADS_H
