//===- CalibrateClassifier.h - Makes a classifier of an encoder -*- C++ -*-===//
//
// Fits heads on texts to learn from, chooses where texts may leave on others, and tries
// the outcome on a third part, which decides nothing.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_CALIBRATECLASSIFIER_H
#define LATHE_RUNTIME_CLASSIFY_CALIBRATECLASSIFIER_H

#include "runtime/classify/ClassifierFile.h"
#include "runtime/classify/ExitRule.h"
#include "runtime/classify/LabelledTexts.h"

#include <functional>

namespace lathe {

struct LabelledParts {
  LabelledTexts Train, Valid, Test; ///< All with the same labels.
};

struct ClassifierOptions {
  /// Least texts of a part: with fewer, nothing lost says nothing.
  static constexpr size_t LeastTexts = 200;

  Pooling Pool = Pooling::Mean;
  int64_t MaxTokens = 0; ///< 0: as many as the model takes.
  ExitRule Rule;
  /// Where vectors of texts are kept from one calibration to the next; empty: nowhere.
  std::string VectorFile;
  /// Called between parts of the work; false ends it with E0807.
  std::function<bool(const std::string &Doing)> OnStage = {};
};

/// Exits from one depth on, with what they gave.
struct ExitPoint {
  MarginExits Choice;
  ExitOutcome Valid, Test; ///< On both parts; work in multiply-adds.
  ExitOutcome Timed;       ///< On the texts of the test part that were timed; in seconds.
  std::string Refused;     ///< Why it is; empty: it is not.
};

struct CalibratedClassifier {
  ClassifierFile File;
  std::vector<ExitPoint> Points; ///< By first exit.
  std::optional<size_t> Chosen;  ///< Of Points; none where all are refused.
  /// The heads of fixed depths on the test part, [depths]: right answers, and seconds of
  /// those that were timed.
  std::vector<int64_t> RightAtDepth;
  std::vector<double> SecondsToDepth;
  int64_t RightByWords = 0; ///< Of a bag of words, on the test part.
  int64_t TestTexts = 0;
};

/// Multiply-adds that take a text of so many tokens to each depth, [depths]: of the matrices
/// and attention of the layers ahead, of pooling, and of all heads, of `Labels` each.
std::vector<float> countWork(const Manifest &Program, int64_t Tokens, size_t Labels);

/// Nullopt on error: E0846 too few texts, E0807, and those of VectorFile and of
/// Encoder::encodeDepths.
std::optional<CalibratedClassifier> calibrateClassifier(Encoder &Model, const LabelledParts &Parts,
                                                        const ClassifierOptions &Options,
                                                        Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_CALIBRATECLASSIFIER_H
