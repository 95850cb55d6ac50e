//===- GenerateReport.cpp - What lathe calibrate tells and writes -*- C++ -*-===//

#include "tools/lathe/GenerateReport.h"

#include "tools/lathe/Json.h"
#include "tools/lathe/TextTable.h"

#include "runtime/support/Half.h"
#include "runtime/support/Text.h"

#include <bit>

using namespace lathe;
using namespace lathe::cli;

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

static std::string skipText(const DepthPoint &Point) {
  std::string Text;
  for (int64_t Layer : Point.Skipped)
    Text += (Text.empty() ? "" : ",") + std::to_string(Layer);
  return Text;
}

static std::string percent(double Share) { return formatFixed(100 * Share, 1) + " %"; }

static std::string verdict(const std::string &Why) {
  return Why.empty() ? "offered" : "refused: " + Why;
}

static std::string depthTable(const GenerateFindings &Found) {
  cli::TextTable Table({"without layers", "time", "agrees, text", "own words", "at least", "KL",
                        "perplexity", "verdict"},
                       {7});
  for (const DepthPoint &Each : Found.Depths)
    Table.add({skipText(Each), formatFixed(Each.Time, 3), percent(Each.Text.agreement()),
               percent(Each.Own.agreement()), percent(Each.leastAgreement()),
               formatFixed(Each.Text.divergence(), 3),
               "x " + formatFixed(Each.Text.perplexityRatio(), 3),
               verdict(Found.Rule.refusal(Each))});
  return Table.text();
}

static std::string exitTable(const GenerateFindings &Found) {
  cli::TextTable Table({"exits", "for", "layers", "bytes saved", "ms saved", "time", "agrees, text",
                        "own words", "at least", "perplexity", "verdict"},
                       {10});
  for (const ExitPoint &Each : Found.Exits->Points)
    Table.add({Each.Policy.text(Found.Exits->Layers),
               Each.Target > 0 ? formatFixed(100 * Each.Target, 0) + " %" : "-",
               percent(Each.Layers), percent(Each.BytesLeftOut),
               formatFixed(1e3 * Each.SecondsSaved, 3), formatFixed(Each.Time, 3),
               percent(Each.Text.agreement()), percent(Each.Own.agreement()),
               percent(Each.leastAgreement()), "x " + formatFixed(Each.Text.perplexityRatio(), 3),
               verdict(Each.refusal(Found.Rule))});
  return Table.text();
}

std::string cli::generateTables(const GenerateFindings &Found) {
  return depthTable(Found) + (Found.Exits ? "\n" + exitTable(Found) : "");
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

static void writeScore(JsonWriter &Json, std::string_view Name, const DepthScore &Score) {
  Json.key(Name).beginObject();
  Json.field("positions", Score.Positions).field("agreeing", Score.Agreeing);
  Json.field("perplexity_ratio", Score.perplexityRatio());
  Json.endObject();
}

static void writeDepth(JsonWriter &Json, const DepthPoint &Point, const DepthRule &Rule) {
  Json.beginObject().field("skip", skipText(Point)).field("time", Point.Time);
  Json.field("agreement", Point.leastAgreement()).field("refused", Rule.refusal(Point));
  Json.field("divergence", Point.Text.divergence());
  writeScore(Json, "text", Point.Text);
  writeScore(Json, "own", Point.Own);
  Json.endObject();
}

static void writeExit(JsonWriter &Json, const ExitPoint &Point, const FittedExits &Exits,
                      const DepthRule &Rule) {
  Json.beginObject().field("exit", Point.Policy.text(Exits.Layers)).field("time", Point.Time);
  Json.field("agreement", Point.leastAgreement()).field("refused", Point.refusal(Rule));
  if (Point.Target > 0)
    Json.field("target", Point.Target);
  Json.field("seconds_saved", Point.SecondsSaved).field("layers", Point.Layers);
  Json.field("bytes_left_out", Point.BytesLeftOut);
  Json.key("left").beginArray();
  for (int64_t Count : Point.Left)
    Json.value(Count);
  Json.endArray();
  writeScore(Json, "text", Point.Text);
  writeScore(Json, "own", Point.Own);
  Json.endObject();
}

std::string cli::generateJson(const GenerateFindings &Found) {
  JsonWriter Json;
  Json.beginObject().field("lathe_calibration", Calibration::Version);
  Json.key("model").beginObject().field("header_hash", Found.HeaderHash).endObject();
  Json.key("rule").beginObject();
  Json.field("floor", Found.Rule.Floor).field("gain", Found.Rule.Gain);
  Json.field("confidence", DepthPoint::Confidence).endObject();
  Json.key("points").beginArray();
  for (const DepthPoint &Each : Found.Depths)
    writeDepth(Json, Each, Found.Rule);
  if (Found.Exits)
    for (const ExitPoint &Each : Found.Exits->Points)
      writeExit(Json, Each, *Found.Exits, Found.Rule);
  Json.endArray();
  if (Found.Exits) {
    Json.key("exits").beginObject().key("layers").beginArray();
    for (int64_t Layer : Found.Exits->Layers)
      Json.value(Layer);
    Json.endArray().field("rank", static_cast<uint64_t>(Found.Exits->Rank));
    Json.field("lens_penalty", LensPenalty).field("predicate_penalty", PredicatePenalty);
    Json.endObject();
  }
  return Json.endObject().take();
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

namespace {

/// Tensors one behind the other, and the header that says where they are.
class TensorWriter {
public:
  TensorWriter() { Header.beginObject(); }

  void text(const char *Name, const std::string &Text) {
    Header.key("__metadata__").beginObject().field(Name, Text).endObject();
  }
  /// `Narrow`: the numbers are of bfloat16, and are stored so.
  void add(const std::string &Name, std::vector<size_t> Shape, std::span<const float> Values,
           bool Narrow);
  std::vector<uint8_t> take();

private:
  JsonWriter Header;
  std::vector<uint8_t> Data;
};

} // namespace

void TensorWriter::add(const std::string &Name, std::vector<size_t> Shape,
                       std::span<const float> Values, bool Narrow) {
  size_t Start = Data.size(), Bytes = Narrow ? 2 : 4;
  for (float Each : Values) {
    uint32_t Bits = Narrow ? floatToBfloat(Each) : std::bit_cast<uint32_t>(Each);
    for (size_t I = 0; I < Bytes; ++I)
      Data.push_back(static_cast<uint8_t>(Bits >> 8 * I));
  }
  Header.key(Name).beginObject().field("dtype", Narrow ? "BF16" : "F32");
  Header.key("shape").beginArray();
  for (size_t Size : Shape)
    Header.value(static_cast<uint64_t>(Size));
  Header.endArray().key("data_offsets").beginArray();
  Header.value(static_cast<uint64_t>(Start)).value(static_cast<uint64_t>(Data.size()));
  Header.endArray().endObject();
}

std::vector<uint8_t> TensorWriter::take() {
  std::string Text = Header.endObject().take();
  Text.resize((Text.size() + 7) / 8 * 8, ' ');
  std::vector<uint8_t> Bytes;
  for (size_t I = 0; I < 8; ++I)
    Bytes.push_back(static_cast<uint8_t>(Text.size() >> 8 * I));
  Bytes.insert(Bytes.end(), Text.begin(), Text.end());
  Bytes.insert(Bytes.end(), Data.begin(), Data.end());
  return Bytes;
}

std::vector<uint8_t> cli::calibrationBytes(const std::string &Json, const FittedExits *Exits) {
  TensorWriter Writer;
  Writer.text(Calibration::MetadataName, Json);
  for (size_t I = 0; Exits && I < Exits->Layers.size(); ++I) {
    std::string Prefix = "exit." + std::to_string(Exits->Layers[I]) + ".";
    const ExitLens &Lens = Exits->Lenses[I];
    const ExitPredicate &Sure = Exits->Predicates[I];
    size_t Width = Lens.Offset.size(), Inner = Lens.Rank ? Lens.Rank : Width;
    if (Lens.Rank)
      Writer.add(Prefix + "lens_in", {Lens.Rank, Width}, Lens.In, true);
    Writer.add(Prefix + "lens", {Width, Inner}, Lens.Matrix, true);
    Writer.add(Prefix + "offset", {Width}, Lens.Offset, false);
    Writer.add(Prefix + "classifier", {Width}, Sure.Weights, false);
    Writer.add(Prefix + "bias", {1}, {&Sure.Bias, 1}, false);
  }
  return Writer.take();
}
