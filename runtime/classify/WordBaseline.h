//===- WordBaseline.h - What the words of a text say of its label -*- C++ -*-===//
//
// The baseline that a classifier has to be compared with: a bag of words and of pairs
// of words, weighted by TF-IDF, and ridge regression on it.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_WORDBASELINE_H
#define LATHE_RUNTIME_CLASSIFY_WORDBASELINE_H

#include "runtime/classify/LabelledTexts.h"

#include <cstdint>

namespace lathe {

/// How many of `Test`'s labels are found by what was learned from `Train`.
int64_t countRightByWords(const LabelledTexts &Train, const LabelledTexts &Test);

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_WORDBASELINE_H
