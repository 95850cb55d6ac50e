//===- Calibration.cpp - What was measured of a model's parts ---*- C++ -*-===//

#include "runtime/adaptive/Calibration.h"

#include "runtime/support/JsonReader.h"
#include "runtime/support/Text.h"
#include "runtime/workers/BlockHash.h"

#include <algorithm>

namespace lathe {

/// A number in `Least` to `Most`, or nullopt.
static std::optional<double> readNumber(JsonValue Value, double Least, double Most) {
  std::optional<double> Number = Value.number();
  return Number && *Number >= Least && *Number <= Most ? Number : std::nullopt;
}

static std::optional<OperatingPoint> readPoint(JsonValue Value) {
  std::optional<std::string_view> Skip = Value["skip"].text(), Refused = Value["refused"].text();
  std::optional<double> Time = readNumber(Value["time"], 1e-6, 1e6);
  std::optional<double> Agreement = readNumber(Value["agreement"], 0, 1);
  if (!Skip || Skip->empty() || !Refused || !Time || !Agreement)
    return std::nullopt;
  return OperatingPoint{std::string(*Skip), *Time, *Agreement, std::string(*Refused)};
}

std::optional<Calibration> Calibration::parse(std::string_view Text, const std::string &Where,
                                              Diagnostics &Diags) {
  auto Malformed = [&](const std::string &Message) {
    Diags.error(843, Where, Message, "'lathe calibrate' makes such files");
    return std::nullopt;
  };
  std::optional<JsonDocument> Parsed = JsonDocument::parse(Text);
  if (!Parsed || !Parsed->root().isObject())
    return Malformed("not a JSON object");
  JsonValue Root = Parsed->root();
  if (Root["lathe_calibration"].integer() != Version)
    return Malformed("'lathe_calibration' is missing or another version, expected " +
                     std::to_string(Version));
  std::optional<std::string_view> Hash = Root["model"]["header_hash"].text();
  if (!Hash)
    return Malformed("model.header_hash: expected a text");
  std::optional<std::vector<JsonValue>> Points = Root["points"].elements();
  if (!Points)
    return Malformed("points: expected an array");
  Calibration Result{std::string(*Hash), {}};
  for (size_t I = 0; I < Points->size(); ++I) {
    std::optional<OperatingPoint> Point = readPoint((*Points)[I]);
    if (!Point)
      return Malformed("points[" + std::to_string(I) +
                       "]: expected texts 'skip' and 'refused', a time above 0 and an agreement "
                       "from 0 to 1");
    Result.Points.push_back(std::move(*Point));
  }
  return Result;
}

bool Calibration::checkModel(std::span<const uint8_t> Header, const std::string &Where,
                             Diagnostics &Diags) const {
  if (hexText(hashBlocks(Header)) == HeaderHash)
    return true;
  Diags.error(844, Where, "was measured on another model",
              "calibrate this one: 'lathe calibrate MODEL -f TEXT -o FILE'");
  return false;
}

std::optional<OperatingPoint>
Calibration::choose(const PointChoice &Wanted, const std::string &Where, Diagnostics &Diags) const {
  std::vector<OperatingPoint> Offered = {OperatingPoint()};
  std::ranges::copy_if(Points, std::back_inserter(Offered),
                       [](const OperatingPoint &Each) { return Each.Refused.empty(); });
  std::optional<OperatingPoint> Best;
  double Fastest = 1;
  for (const OperatingPoint &Each : Offered) {
    if (Each.Agreement < Wanted.Quality)
      continue;
    Fastest = std::min(Fastest, Each.Time);
    if (Each.Time <= Wanted.Budget &&
        (!Best || Each.Agreement > Best->Agreement ||
         (Each.Agreement == Best->Agreement && Each.Time < Best->Time)))
      Best = Each;
  }
  if (!Best) {
    auto Refused = std::ranges::count_if(
        Points, [](const OperatingPoint &Each) { return !Each.Refused.empty(); });
    Diags.error(845, Where,
                "found no part of the model that takes at most " + formatFixed(Wanted.Budget, 2) +
                    " of its time; the fastest that is offered takes " + formatFixed(Fastest, 2),
                std::to_string(Refused) + " of " + std::to_string(Points.size()) +
                    " measured parts were refused when it was calibrated; --skip runs any part");
  }
  return Best;
}

} // namespace lathe
