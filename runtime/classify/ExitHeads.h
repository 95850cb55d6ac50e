//===- ExitHeads.h - What says a label, at each depth -----------*- C++ -*-===//
//
// A head reads the vectors that an encoder gives of a text at all depths so far
// (Encoder::encodeDepths) and says which label the text has, and how sure it is.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_EXITHEADS_H
#define LATHE_RUNTIME_CLASSIFY_EXITHEADS_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lathe {

/// What a head says of a text.
struct Verdict {
  size_t Label = 0;
  float Probability = 0; ///< Of that label.
  float Margin = 0;      ///< To the probability of the next.
};

/// Scores are `Bias + Vectors * Weights`, and probabilities softmax(scores / Temperature).
struct ExitHead {
  int64_t Depth = 0; ///< Layers that have run.
  float Temperature = 1;
  std::vector<float> Bias;    ///< [labels], at least 2.
  std::vector<float> Weights; ///< [(Depth + 1) * width][labels]

  /// `Scores`, [labels], of `Vectors`, [(Depth + 1) * width].
  void score(const float *Vectors, float *Scores) const;
  /// `Scores` is room for [labels].
  Verdict judge(const float *Vectors, float *Scores) const;
};

/// What an encoder makes of texts.
struct LabelledVectors {
  size_t Depths = 0, Width = 0;
  std::vector<float> Vectors; ///< [texts][Depths][Width]
  std::vector<size_t> Label;  ///< [texts]

  size_t size() const { return Label.size(); }
  const float *of(size_t Text) const { return Vectors.data() + Text * Depths * Width; }
};

/// What the heads of all depths say of texts: [texts][depths].
struct JudgedTexts {
  size_t Depths = 0;
  std::vector<Verdict> Said;
  std::vector<size_t> Label; ///< [texts]: the true ones.

  size_t size() const { return Label.size(); }
  const Verdict &at(size_t Text, size_t Depth) const { return Said[Text * Depths + Depth]; }
  bool isRight(size_t Text, size_t Depth) const { return at(Text, Depth).Label == Label[Text]; }
  /// How many texts the head at that depth gets right.
  int64_t countRight(size_t Depth) const;
};

/// `Heads` are those of all depths, in order.
JudgedTexts judgeTexts(const std::vector<ExitHead> &Heads, const LabelledVectors &Texts);

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_EXITHEADS_H
