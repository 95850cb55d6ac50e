//===- LabelledTexts.cpp - Texts of which one knows the label ---*- C++ -*-===//

#include "runtime/classify/LabelledTexts.h"

#include "runtime/support/FaultList.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <set>
#include <xxhash.h>

using namespace lathe;

namespace {
struct Line {
  std::string_view Label, Text;
};
} // namespace

static std::optional<Line> readLine(std::string_view Text, const std::string &Place,
                                    FaultList &Faults) {
  if (Text.ends_with('\r'))
    Text.remove_suffix(1);
  size_t Tab = Text.find('\t');
  Line Found = {Text.substr(0, Tab), Tab == Text.npos ? "" : Text.substr(Tab + 1)};
  const char *Missing = Tab == Text.npos      ? "found no tab"
                        : Found.Label.empty() ? "found no label ahead of the tab"
                        : Found.Text.empty()  ? "found no text behind the tab"
                                              : nullptr;
  if (!Missing)
    return Found;
  Faults.error(838, Place, std::string(Missing) + ", expected a label, a tab and a text");
  return std::nullopt;
}

static std::vector<Line> readLines(std::string_view Content, FaultList &Faults) {
  std::vector<Line> Lines;
  for (size_t Number = 1; !Content.empty(); ++Number) {
    std::string_view Text = Content.substr(0, Content.find('\n'));
    Content.remove_prefix(std::min(Content.size(), Text.size() + 1));
    if (std::optional<Line> Read = readLine(Text, "line " + std::to_string(Number), Faults))
      Lines.push_back(*Read);
  }
  return Lines;
}

std::optional<LabelledTexts> LabelledTexts::parse(std::string_view Content,
                                                  const std::string &Where,
                                                  const std::vector<std::string> *Known,
                                                  Diagnostics &Diags) {
  FaultList Faults(Diags, Where);
  std::vector<Line> Lines = readLines(Content, Faults);
  if (Faults.any())
    return std::nullopt;
  LabelledTexts Result;
  std::set<std::string_view> Unknown;
  if (Known)
    Result.Labels = *Known;
  else {
    std::set<std::string_view> Found;
    for (const Line &Each : Lines)
      Found.insert(Each.Label);
    Result.Labels.assign(Found.begin(), Found.end());
    if (Found.size() < 2 || Found.size() > MostLabels)
      Faults.error(839, "",
                   "found " + std::to_string(Found.size()) + " labels, expected 2 to " +
                       std::to_string(MostLabels));
  }
  for (const Line &Each : Lines) {
    auto Place = std::ranges::lower_bound(Result.Labels, Each.Label);
    bool IsKnown = Place != Result.Labels.end() && *Place == Each.Label;
    if (!IsKnown && Unknown.insert(Each.Label).second)
      Faults.error(839, "",
                   "found the label " + quoted(Each.Label, 40) +
                       ", which the texts to learn from do not have");
    Result.Texts.emplace_back(Each.Text);
    Result.Label.push_back(static_cast<size_t>(Place - Result.Labels.begin()));
  }
  return Faults.any() ? std::nullopt : std::optional(std::move(Result));
}

LabelledTexts LabelledTexts::split(double Share) {
  LabelledTexts Kept, Taken;
  Kept.Labels = Taken.Labels = Labels;
  for (size_t I = 0; I < size(); ++I) {
    double Place = static_cast<double>(XXH3_64bits(Texts[I].data(), Texts[I].size())) * 0x1p-64;
    LabelledTexts &Part = Place < Share ? Taken : Kept;
    Part.Texts.push_back(std::move(Texts[I]));
    Part.Label.push_back(Label[I]);
  }
  *this = std::move(Kept);
  return Taken;
}
