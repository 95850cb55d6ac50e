//===- Calibration.cpp - What was measured of a model's parts ---*- C++ -*-===//

#include "runtime/adaptive/Calibration.h"

#include "runtime/formats/Safetensors.h"
#include "runtime/support/JsonReader.h"
#include "runtime/support/Limits.h"
#include "runtime/support/Text.h"
#include "runtime/workers/BlockHash.h"

#include <algorithm>
#include <charconv>

namespace lathe {

/// Above the width of every model.
static constexpr int64_t MostRank = int64_t(1) << 24;

/// A number in `Least` to `Most`, or nullopt.
static std::optional<double> readNumber(JsonValue Value, double Least, double Most) {
  std::optional<double> Number = Value.number();
  return Number && *Number >= Least && *Number <= Most ? Number : std::nullopt;
}

static std::optional<OperatingPoint> readPoint(JsonValue Value) {
  std::optional<std::string_view> Skip = Value["skip"].text(), Exit = Value["exit"].text(),
                                  Refused = Value["refused"].text();
  std::optional<double> Time = readNumber(Value["time"], 1e-6, 1e6);
  std::optional<double> Agreement = readNumber(Value["agreement"], 0, 1);
  bool Skips = Skip && !Skip->empty(), Leaves = Exit && !Exit->empty();
  if (Skips == Leaves || !Refused || !Time || !Agreement)
    return std::nullopt;
  return OperatingPoint{std::string(Skip.value_or("")), *Time, *Agreement, std::string(*Refused),
                        std::string(Exit.value_or(""))};
}

/// False where there are exits that no model can have.
static bool readExits(JsonValue Value, Calibration &Into) {
  if (!Value)
    return true;
  std::optional<std::vector<JsonValue>> Layers = Value["layers"].elements();
  std::optional<int64_t> Rank = Value["rank"].integer();
  if (!Layers || Layers->empty() || !Rank || *Rank < 0 || *Rank > MostRank)
    return false;
  for (JsonValue Each : *Layers) {
    int64_t Least = Into.ExitLayers.empty() ? 0 : Into.ExitLayers.back() + 1;
    std::optional<int64_t> Layer = Each.integer();
    if (!Layer || *Layer < Least || *Layer >= static_cast<int64_t>(limits::MaxLayers))
      return false;
    Into.ExitLayers.push_back(*Layer);
  }
  Into.ExitRank = *Rank;
  return true;
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
  Calibration Result;
  Result.HeaderHash = *Hash;
  if (!readExits(Root["exits"], Result))
    return Malformed("exits: expected ascending 'layers' and a 'rank' of at least 0");
  for (size_t I = 0; I < Points->size(); ++I) {
    std::optional<OperatingPoint> Point = readPoint((*Points)[I]);
    if (!Point)
      return Malformed("points[" + std::to_string(I) +
                       "]: expected texts 'skip' or 'exit' and 'refused', a time above 0 and an "
                       "agreement from 0 to 1");
    Result.Points.push_back(std::move(*Point));
  }
  return Result;
}

/// What the file tells; it is null after the errors in `Faults`.
static std::optional<Calibration> readFile(std::shared_ptr<const SafetensorsFile> Opened,
                                           const Diagnostics &Faults, const std::string &Where,
                                           Diagnostics &Diags) {
  const std::string *Text = Opened ? Opened->findMetadata(Calibration::MetadataName) : nullptr;
  if (!Text) {
    Diags.error(843, Where,
                Opened ? "has no text 'lathe_calibration' in its metadata"
                       : "is no file of safetensors: " + Faults.all().front().Message,
                "'lathe calibrate' makes such files");
    return std::nullopt;
  }
  std::optional<Calibration> Result = Calibration::parse(*Text, Where, Diags);
  if (Result)
    Result->File = std::move(Opened);
  return Result;
}

std::optional<Calibration> Calibration::open(const std::string &Path, Diagnostics &Diags) {
  std::unique_ptr<MappedFile> Mapped = MappedFile::open(Path, Diags);
  if (!Mapped)
    return std::nullopt;
  Diagnostics Faults;
  std::shared_ptr<SafetensorsFile> Opened = SafetensorsFile::open(std::move(Mapped), Faults);
  return readFile(std::move(Opened), Faults, Path, Diags);
}

std::optional<Calibration> Calibration::read(std::span<const uint8_t> Bytes,
                                             const std::string &Where, Diagnostics &Diags) {
  Diagnostics Faults;
  std::shared_ptr<SafetensorsFile> Opened = SafetensorsFile::parse(Bytes, Where, Faults);
  return readFile(std::move(Opened), Faults, Where, Diags);
}

std::string Calibration::passes() const {
  std::string List;
  for (int64_t Layer : ExitLayers)
    List += (List.empty() ? "" : ",") + std::to_string(Layer);
  return List.empty() ? ""
                      : "lathe-insert-exits{layers=" + List + " rank=" + std::to_string(ExitRank) +
                            " file=" + FileName + "}";
}

bool Calibration::checkModel(std::span<const uint8_t> Header, const std::string &Where,
                             Diagnostics &Diags) const {
  if (hexText(hashBlocks(Header)) == HeaderHash)
    return true;
  Diags.error(844, Where, "was measured on another model",
              "calibrate this one: 'lathe calibrate MODEL -f TEXT -o FILE'");
  return false;
}

std::vector<OperatingPoint> Calibration::find(const std::string &Exit) const {
  std::vector<OperatingPoint> Found;
  std::ranges::copy_if(Points, std::back_inserter(Found),
                       [&](const OperatingPoint &Each) { return Each.Exit == Exit; });
  Found.resize(std::min<size_t>(Found.size(), 1));
  return Found;
}

std::vector<OperatingPoint> Calibration::thresholds(double Quality, std::string &Exit,
                                                    const std::string &Where,
                                                    Diagnostics &Diags) const {
  constexpr std::string_view Prefix = "threshold:";
  std::vector<std::pair<float, OperatingPoint>> Found;
  for (const OperatingPoint &Each : Points) {
    float Value = 0;
    if (!Each.Refused.empty() || Each.Agreement < Quality || !Each.Exit.starts_with(Prefix) ||
        std::from_chars(Each.Exit.data() + Prefix.size(), Each.Exit.data() + Each.Exit.size(),
                        Value)
                .ec != std::errc())
      continue;
    // Two targets may have one threshold.
    if (std::ranges::none_of(Found, [&](const auto &Known) { return Known.first == Value; }))
      Found.emplace_back(Value, Each);
  }
  if (Found.empty()) {
    Diags.error(845, Where,
                "found no threshold that was not refused and agrees at least " +
                    formatFixed(Quality, 2),
                "--exit leaves early nevertheless");
    return {};
  }
  std::ranges::sort(Found, std::greater<>(), [](const auto &Each) { return Each.first; });
  std::vector<OperatingPoint> Result = {OperatingPoint()};
  Exit = Prefix;
  for (auto &[Value, Point] : Found) {
    Exit += (Result.size() == 1 ? "" : ",") + Point.Exit.substr(Prefix.size());
    Result.push_back(std::move(Point));
  }
  return Result;
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
