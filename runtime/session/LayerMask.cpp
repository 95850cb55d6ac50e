//===- LayerMask.cpp - Which layers of a model run --------------*- C++ -*-===//

#include "runtime/session/LayerMask.h"

#include "runtime/support/NumberRanges.h"

#include <optional>

namespace lathe {

LayerMask::LayerMask(const Manifest &Code) : Runs(Code.Model.Layers, 1) {
  for (int64_t Layer : Code.SkippedLayers)
    Runs[Layer] = 0;
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

std::shared_ptr<const LayerMask> LayerMask::parse(std::string_view Keep, std::string_view Skip,
                                                  const Manifest &Code, Diagnostics &Diags) {
  LayerMask Result(Code);
  if ((!Keep.empty() && !Result.keepOnly(Keep, Code, Diags)) ||
      (!Skip.empty() && !Result.skip(Skip, Diags)))
    return nullptr;
  if (Result.count() == 0 && Result.layers() != 0) {
    Diags.error(840, "layers", "found none that is left to run, expected at least one");
    return nullptr;
  }
  if (!Code.ChoosesLayers && Result != LayerMask(Code)) {
    Diags.error(841, "layers", "found a program that always runs all of its layers",
                "compile the model again; in a program written by hand, 'at %rows' of lathe.layers "
                "lets them choose");
    return nullptr;
  }
  return std::make_shared<const LayerMask>(std::move(Result));
}

} // namespace lathe
