//===- TextClassifier.h - Texts to labels, as early as possible -*- C++ -*-===//
//
// Takes one text at a time through the layers of an encoder, and asks the head of each
// exit whether it is sure.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_TEXTCLASSIFIER_H
#define LATHE_RUNTIME_CLASSIFY_TEXTCLASSIFIER_H

#include "runtime/classify/ClassifierFile.h"

#include <atomic>
#include <functional>
#include <span>

namespace lathe {

enum class ExitPolicy : uint8_t {
  Never, ///< Through all layers.
  Auto,  ///< As the calibration says.
};

struct Classification {
  Verdict Said;
  int64_t Depth = 0;  ///< Layers that ran.
  double Seconds = 0; ///< What the text took.
};

/// Not thread-safe, as its encoder.
class TextClassifier {
public:
  /// `Heads` must be made for `Model`, which must outlive it.
  TextClassifier(Encoder &Model, ClassifierFile Heads);

  const ClassifierFile &file() const { return File; }

  /// The tokens of texts, as they were when the heads were made (Encoder::tokenize).
  std::vector<std::vector<int32_t>> tokenize(std::span<const std::string_view> Texts,
                                             Diagnostics &Diags) const;

  /// The label of one text, the same alone or behind others.  Nullopt with the errors of
  /// Encoder::begin.
  std::optional<Classification> classify(const std::vector<int32_t> &Text, ExitPolicy Policy,
                                         Diagnostics &Diags);

  /// Those of several; E0807 when `Cancel` was set before one.
  std::optional<std::vector<Classification>> classify(std::span<const std::vector<int32_t>> Texts,
                                                      ExitPolicy Policy, Diagnostics &Diags,
                                                      const std::atomic<bool> *Cancel = nullptr);

private:
  Encoder &Model;
  ClassifierFile File;
  std::vector<float> Vectors; ///< [depths][width] of the current text.
  std::vector<float> Scores;  ///< [labels]
};

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_TEXTCLASSIFIER_H
