//===- DepthCalibration.h - Which layers a model can do without -*- C++ -*-===//
//
// Leaves out, one after the other, the layer whose loss changes the model's next token
// least, as measured by Kullback-Leibler divergence on a text; then measures what
// each such part of the model is worth on another text, on what the whole model
// itself says, and in time.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_DEPTHCALIBRATION_H
#define LATHE_RUNTIME_ADAPTIVE_DEPTHCALIBRATION_H

#include "runtime/adaptive/DepthScores.h"
#include "runtime/session/Model.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

/// A part of a model, and what it is worth.
struct DepthPoint {
  static constexpr double Confidence = 0.95;

  std::vector<int64_t> Skipped; ///< Ascending.
  double Time = 1;              ///< Of a step of one row, relative to the whole model.
  DepthScore Text, Own;         ///< On the text, and on what the whole model says.
  std::string Width = {};       ///< As `--width` takes it; empty: all neurons.
  double BytesLeftOut = 0;      ///< Of a width: share of the bytes of all layers.

  /// Agreement with the whole model is at least that, on both kinds of text, each with
  /// `Confidence`.
  double leastAgreement() const;
};

/// What a point must be to be offered.
struct DepthRule {
  double Floor = 0.95; ///< Least agreement.
  double Gain = 0.05;  ///< Least gain in speed.

  /// Why the point is refused; empty: it is not.
  std::string refusal(const DepthPoint &Point) const {
    return refusal(Point.leastAgreement(), Point.Time);
  }
  std::string refusal(double Agreement, double Time) const;
};

struct DepthCalibrationOptions {
  int64_t MostSkipped = 4; ///< Layers of the last point.
  size_t TextTokens = 256; ///< Both to choose layers by and to score points on.
  /// Called between parts of the work; false ends it with E0807.
  std::function<bool(const std::string &Doing)> OnStage = {};
};

class DepthCalibration {
public:
  /// `Source` must outlive it.
  DepthCalibration(const Model &Source, const DepthCalibrationOptions &Options)
      : Source(Source), Options(Options) {}

  /// One point for 1, 2, ... skipped layers.  Nullopt on error: E0846 a text that is too
  /// short or a program that cannot leave layers out, E0807, and those of Session.
  std::optional<std::vector<DepthPoint>> run(std::span<const int32_t> Text, Diagnostics &Diags);

  /// One point for each of `Widths`, as `--width` takes them: the same, and E0818 for what the
  /// program cannot compute.
  std::optional<std::vector<DepthPoint>>
  runWidths(std::span<const int32_t> Text, std::span<const std::string> Widths, Diagnostics &Diags);

private:
  bool checkText(std::span<const int32_t> Text, Diagnostics &Diags) const;
  ScoredText pieceFrom(std::span<const int32_t> Text, size_t First) const;
  bool measure(std::vector<DepthPoint> &Points, std::span<const int32_t> Text,
               Diagnostics &Diags) const;
  std::shared_ptr<const LayerMask> partOf(const DepthPoint &Point, Diagnostics &Diags) const;
  std::unique_ptr<Session> createSession(size_t Parts, Diagnostics &Diags) const;
  bool enter(const std::string &Doing, Diagnostics &Diags) const;
  std::optional<std::vector<int64_t>> extend(std::vector<int64_t> Skipped, const ScoredText &Text,
                                             Diagnostics &Diags) const;
  std::optional<std::vector<ScoredText>> generate(std::span<const int32_t> Text,
                                                  Diagnostics &Diags) const;
  bool score(std::vector<DepthPoint> &Points, std::span<const ScoredText> Texts,
             DepthScore DepthPoint::*Into, Diagnostics &Diags) const;
  bool measureTimes(std::vector<DepthPoint> &Points, std::span<const int32_t> Text,
                    Diagnostics &Diags) const;

  const Model &Source;
  DepthCalibrationOptions Options;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_DEPTHCALIBRATION_H
