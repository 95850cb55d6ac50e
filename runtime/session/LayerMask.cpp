//===- LayerMask.cpp - Which layers of a model run --------------*- C++ -*-===//

#include "runtime/session/LayerMask.h"

#include "runtime/support/NumberRanges.h"
#include "runtime/support/Text.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace lathe {

LayerMask::LayerMask(const Manifest &Code) : Runs(Code.Model.Layers, 1) {
  for (int64_t Layer : Code.SkippedLayers)
    Runs[Layer] = 0;
  Widths.resize(Runs.size());
  for (size_t Layer = 0; Layer < Code.Widths.size(); ++Layer)
    Widths[Layer] = static_cast<int32_t>(Code.Widths[Layer].Unasked);
}

int64_t LayerMask::neurons() const {
  int64_t Sum = 0;
  for (size_t Layer = 0; Layer < Runs.size(); ++Layer)
    Sum += Runs[Layer] ? Widths[Layer] : 0;
  return Sum;
}

/// What `Text` is: above 0, a whole number where it is above 1.
static std::optional<double> parseWidth(std::string_view Text) {
  double Number = 0;
  std::from_chars_result Read = std::from_chars(Text.data(), Text.data() + Text.size(), Number);
  bool Sound = Read.ec == std::errc() && Read.ptr == Text.data() + Text.size() && Number > 0 &&
               Number <= std::numeric_limits<int32_t>::max() &&
               (Number <= 1 || Number == std::floor(Number));
  return Sound ? std::optional(Number) : std::nullopt;
}

bool LayerMask::narrow(std::string_view Width, const Manifest &Code, Diagnostics &Diags) {
  std::optional<double> Wanted = parseWidth(Width);
  if (!Wanted) {
    Diags.error(818, "width",
                "found " + quoted(Width) +
                    ", expected a share of the neurons up to 1, or a number of them");
    return false;
  }
  if (Code.Widths.empty() && *Wanted != 1) {
    Diags.error(818, "width", "found a program that always computes all neurons",
                "compile the model with --width, as in 'lathe compile MODEL --width 1'");
    return false;
  }
  for (size_t Layer = 0; Layer < Code.Widths.size(); ++Layer) {
    const ManifestWidth &Own = Code.Widths[Layer];
    if (Own.Neurons == 0)
      continue;
    auto Step = static_cast<double>(Own.Step), All = static_cast<double>(Own.Neurons);
    // 0.7 of 320 neurons are 224, whatever 0.7 is in binary.
    constexpr double Slack = 1e-9;
    double Neurons = *Wanted > 1 ? *Wanted : std::ceil(*Wanted * All / Step - Slack) * Step;
    if (Neurons > All || std::fmod(Neurons, Step) != 0) {
      Diags.error(818, "width",
                  "found " + std::string(Width) + ", but layer " + std::to_string(Layer) +
                      " computes multiples of " + std::to_string(Own.Step) + " neurons up to " +
                      std::to_string(Own.Neurons));
      return false;
    }
    Widths[Layer] = static_cast<int32_t>(Neurons);
  }
  return true;
}

std::string LayerMask::skippedText() const {
  std::vector<bool> Skipped;
  for (int32_t Flag : Runs)
    Skipped.push_back(!Flag);
  return numberRangesText(Skipped);
}

bool LayerMask::keepOnly(std::string_view Keep, const Manifest &Code, Diagnostics &Diags) {
  std::optional<std::vector<bool>> Kept = parseLayerList(Keep, "layers", layers(), Diags);
  if (!Kept)
    return false;
  for (int64_t Layer = 0; Layer < layers(); ++Layer) {
    if ((*Kept)[Layer] && !Runs[Layer]) {
      Diags.error(841, "layers",
                  "found layer " + std::to_string(Layer) +
                      ", but the program was compiled without layers " +
                      LayerMask(Code).skippedText());
      return false;
    }
    Runs[Layer] = (*Kept)[Layer];
  }
  return true;
}

bool LayerMask::skip(std::string_view Skip, Diagnostics &Diags) {
  std::optional<std::vector<bool>> Skipped = parseLayerList(Skip, "skip", layers(), Diags);
  for (int64_t Layer = 0; Skipped && Layer < layers(); ++Layer)
    Runs[Layer] &= !(*Skipped)[Layer];
  return Skipped.has_value();
}

std::string withWidths(std::string Others, double Unasked, const std::string &File) {
  if (!Others.empty())
    Others += ',';
  return Others + "lathe-choose-widths{unasked=" + std::to_string(Unasked) +
         (File.empty() ? "" : " file=" + File) + "}";
}

std::shared_ptr<const LayerMask> LayerMask::parse(std::string_view Keep, std::string_view Skip,
                                                  const Manifest &Code, Diagnostics &Diags) {
  return parse(Keep, Skip, "", Code, Diags);
}

std::shared_ptr<const LayerMask> LayerMask::parse(std::string_view Keep, std::string_view Skip,
                                                  std::string_view Width, const Manifest &Code,
                                                  Diagnostics &Diags) {
  LayerMask Result(Code);
  if ((!Keep.empty() && !Result.keepOnly(Keep, Code, Diags)) ||
      (!Skip.empty() && !Result.skip(Skip, Diags)) ||
      (!Width.empty() && !Result.narrow(Width, Code, Diags)))
    return nullptr;
  if (Result.count() == 0 && Result.layers() != 0) {
    Diags.error(840, "layers", "found none that is left to run, expected at least one");
    return nullptr;
  }
  if (!Code.ChoosesLayers && !Result.runsAs(LayerMask(Code))) {
    Diags.error(841, "layers", "found a program that always runs all of its layers",
                "compile the model again; in a program written by hand, 'at %rows' of lathe.layers "
                "lets them choose");
    return nullptr;
  }
  return std::make_shared<const LayerMask>(std::move(Result));
}

} // namespace lathe
