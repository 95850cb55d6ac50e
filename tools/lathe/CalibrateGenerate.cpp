//===- CalibrateGenerate.cpp - lathe calibrate --task generate --------------===//
//
// Measures which layers a model can do without, and what that is worth.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/CalibrateTask.h"
#include "tools/lathe/Json.h"
#include "tools/lathe/OutputFile.h"
#include "tools/lathe/Signals.h"
#include "tools/lathe/TextTable.h"

#include "runtime/adaptive/Calibration.h"
#include "runtime/adaptive/DepthCalibration.h"
#include "runtime/support/Text.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/workers/BlockHash.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class CalibrateGenerate final : public CalibrateTask {
public:
  void declare(Options &Accepted) override;
  void run(const CalibrateArguments &Given, Terminal &Term, Diagnostics &Diags) override;

private:
  std::optional<std::vector<DepthPoint>> measure(const ModelArguments &Model, Terminal &Term,
                                                 Diagnostics &Diags);
  std::string table(const std::vector<DepthPoint> &Points) const;
  std::string json(const std::vector<DepthPoint> &Points) const;

  TextArguments Text;
  std::optional<int64_t> Tokens, Most;
  std::optional<double> Floor;
  DepthRule Rule;
  std::string HeaderHash;
};
} // namespace

void CalibrateGenerate::declare(Options &Accepted) {
  Accepted.text(Text.File, "-f,--file", "FILE",
                "generate: the text to measure on (- is standard input)");
  Accepted.text(Text.Prompt, "-p,--prompt", "TEXT", "generate: the same, as a flag");
  Accepted.integer(Tokens, "--tokens",
                   "generate: tokens to choose by, and as many to score on (256)", {64, 1 << 16});
  Accepted.integer(Most, "--most", "generate: layers of the smallest part to leave out (4)",
                   {1, 4096});
  Accepted.number(Floor, "--floor", "generate: refuse parts that agree less with the whole (0.95)",
                  {0, 1});
}

std::optional<std::vector<DepthPoint>>
CalibrateGenerate::measure(const ModelArguments &Model, Terminal &Term, Diagnostics &Diags) {
  std::optional<std::string> Words = Text.read(Diags);
  ModelInput Input = Words ? Model.openFile(Diags) : ModelInput();
  if (!Input.File)
    return std::nullopt;
  HeaderHash = hexText(hashBlocks(Input.File->headerBytes()));
  std::unique_ptr<Tokenizer> Vocabulary = Tokenizer::create(*Input.File, Diags);
  if (!Vocabulary)
    return std::nullopt;
  std::vector<int32_t> Ids = Vocabulary->encode(*Words, {true, false});
  std::optional<LoadedModel> Loaded = Model.load(std::move(Input), 1, 256, Term, Diags);
  if (!Loaded)
    return std::nullopt;
  DepthCalibrationOptions Options;
  Options.TextTokens = static_cast<size_t>(Tokens.value_or(256));
  Options.MostSkipped = Most.value_or(4);
  Options.OnStage = [&](const std::string &Doing) {
    Term.progress(Doing + " ...");
    return !interrupted();
  };
  return DepthCalibration(*Loaded->Source, Options).run(Ids, Diags);
}

static std::string skipText(const DepthPoint &Point) {
  std::string Text;
  for (int64_t Layer : Point.Skipped)
    Text += (Text.empty() ? "" : ",") + std::to_string(Layer);
  return Text;
}

std::string CalibrateGenerate::table(const std::vector<DepthPoint> &Points) const {
  cli::TextTable Table({"without layers", "time", "agrees, text", "own words", "at least", "KL",
                        "perplexity", "verdict"},
                       {7});
  for (const DepthPoint &Each : Points) {
    std::string Why = Rule.refusal(Each);
    Table.add({skipText(Each), formatFixed(Each.Time, 3),
               formatFixed(100 * Each.Text.agreement(), 1) + " %",
               formatFixed(100 * Each.Own.agreement(), 1) + " %",
               formatFixed(100 * Each.leastAgreement(), 1) + " %",
               formatFixed(Each.Text.divergence(), 3),
               "x " + formatFixed(Each.Text.perplexityRatio(), 3),
               Why.empty() ? "offered" : "refused: " + Why});
  }
  return Table.text();
}

static void writeScore(JsonWriter &Json, std::string_view Name, const DepthScore &Score) {
  Json.key(Name).beginObject();
  Json.field("positions", Score.Positions).field("agreeing", Score.Agreeing);
  Json.field("divergence", Score.divergence()).field("perplexity_ratio", Score.perplexityRatio());
  Json.endObject();
}

std::string CalibrateGenerate::json(const std::vector<DepthPoint> &Points) const {
  JsonWriter Json;
  Json.beginObject().field("lathe_calibration", Calibration::Version);
  Json.key("model").beginObject().field("header_hash", HeaderHash).endObject();
  Json.key("rule").beginObject();
  Json.field("floor", Rule.Floor).field("gain", Rule.Gain);
  Json.field("confidence", DepthPoint::Confidence).endObject();
  Json.key("points").beginArray();
  for (const DepthPoint &Each : Points) {
    Json.beginObject().field("skip", skipText(Each)).field("time", Each.Time);
    Json.field("agreement", Each.leastAgreement()).field("refused", Rule.refusal(Each));
    writeScore(Json, "text", Each.Text);
    writeScore(Json, "own", Each.Own);
    Json.endObject();
  }
  return Json.endArray().endObject().take();
}

void CalibrateGenerate::run(const CalibrateArguments &Given, Terminal &Term, Diagnostics &Diags) {
  if (Text.count() != 1) {
    Diags.error(Text.count() == 0 ? 108 : 111, "lathe calibrate",
                "found " + std::to_string(Text.count()) + " texts, expected one of -f and -p",
                "'--task classify' takes --train and --test");
    return;
  }
  Rule.Floor = Floor.value_or(Rule.Floor);
  Rule.Gain = Given.Gain.value_or(Rule.Gain);
  std::unique_ptr<OutputFile> File =
      Given.Output ? OutputFile::open(*Given.Output, *Given.Model.Path, Term, Diags) : nullptr;
  if (Given.Output && !File)
    return;
  std::optional<std::vector<DepthPoint>> Points = measure(Given.Model, Term, Diags);
  if (!Points)
    return;
  bool ToOutput = Given.Output != "-";
  (ToOutput ? Term.out(table(*Points)) : (Term.err(table(*Points)), true));
  std::string Json = json(*Points);
  if (File && File->write({reinterpret_cast<const uint8_t *>(Json.data()), Json.size()}, Diags))
    File->finish(Diags);
}

static CalibrateTaskRegistration Registered({"generate", []() -> std::unique_ptr<CalibrateTask> {
                                               return std::make_unique<CalibrateGenerate>();
                                             }});
