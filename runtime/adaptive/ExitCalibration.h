//===- ExitCalibration.h - Exits for a model that has none ------*- C++ -*-===//
//
// Fits a lens and a predicate for each of a few depths, and scores what leaving there
// says.  Thresholds for the predicates are chosen by runs of a program that has the exits
// (ExitTrial.h).  Each of these is done on tokens that had no say in those before it, of a text
// and of what the whole model itself says.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_EXITCALIBRATION_H
#define LATHE_RUNTIME_ADAPTIVE_EXITCALIBRATION_H

#include "runtime/adaptive/ExitMeter.h"
#include "runtime/adaptive/ExitPoints.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe {

/// Texts for each part of the work.
struct ExitTexts {
  /// Half the tokens, a quarter, an eighth and an eighth.
  enum Purpose { Lens, Predicate, Threshold, Score, Purposes };
  /// At least so many tokens are divided.
  static constexpr size_t LeastTokens = 512;

  std::array<std::vector<ScoredText>, Purposes> Text; ///< Pieces of the text ...
  std::array<std::vector<ScoredText>, Purposes> Own;  ///< ... and what the whole model says.

  /// Of the first `Tokens` of `Given`, and as many of the model's own.  Nullopt with the errors of
  /// Session, or when `GoOn` is false.
  static std::optional<ExitTexts> create(const Model &Whole, std::span<const int32_t> Given,
                                         size_t Tokens, const std::function<bool()> &GoOn,
                                         Diagnostics &Diags);
  /// The tokens of the longest of them.
  size_t longest() const;
};

struct FittedExits {
  std::vector<int64_t> Layers; ///< Behind which there is an exit; ascending.
  size_t Rank = 0;             ///< Of lenses; 0: that of the width.
  std::vector<ExitLens> Lenses;
  std::vector<ExitPredicate> Predicates;
  std::array<ExitSamples, 2> Chosen, Scored; ///< Of the text and of own words.
  /// Without their times and bytes, and without thresholds, which ExitTrial chooses.
  std::vector<ExitPoint> Points;
};

struct ExitCalibrationOptions {
  std::vector<int64_t> Layers = {}; ///< Ascending; empty: a few of the upper half.
  size_t Rank = 0;
  /// Called between parts of the work; false ends it with E0807.
  std::function<bool(const std::string &Doing)> OnStage = {};
};

/// A few layers of the upper half of `Layers`, but for the last.
std::vector<int64_t> defaultExits(int64_t Layers);

class ExitCalibration {
public:
  /// `Meter` must outlive it.
  ExitCalibration(ExitMeter &Meter, const ExitCalibrationOptions &Options)
      : Meter(Meter), Options(Options) {}

  /// Nullopt on error: E0840 layers that cannot have an exit, E0807, and those of ExitMeter.
  std::optional<FittedExits> run(const ExitTexts &Texts, Diagnostics &Diags);

private:
  using Kinds = std::array<std::span<const ScoredText>, 2>;

  bool enter(const std::string &Doing, Diagnostics &Diags) const;
  bool checkLayers(Diagnostics &Diags);
  std::optional<RowSet> rowsOf(const ExitTexts &Texts, ExitTexts::Purpose What,
                               std::optional<int64_t> Layer, Diagnostics &Diags);
  bool startSamples(const ExitTexts &Texts, FittedExits &Fitted, Diagnostics &Diags);
  bool fitExit(int64_t Layer, const ExitTexts &Texts, FittedExits &Fitted, Diagnostics &Diags);
  bool fitConfidence(int64_t Layer, const ExitTexts &Texts, FittedExits &Fitted,
                     Diagnostics &Diags);
  bool sample(int64_t Layer, std::span<const ScoredText> Texts, const FittedExits &Fitted,
              ExitSamples &Into, Diagnostics &Diags);
  void addPoints(FittedExits &Fitted) const;

  ExitMeter &Meter;
  ExitCalibrationOptions Options;
  RowSet FinalOfLens;               ///< The rows behind all layers, for lenses ...
  std::vector<int32_t> SaidByWhole; ///< ... and what they say, for predicates.
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_EXITCALIBRATION_H
