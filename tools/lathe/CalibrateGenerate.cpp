//===- CalibrateGenerate.cpp - lathe calibrate --task generate --------------===//
//
// Measures which layers a model can do without, where it can be left early, and what
// that is worth.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/CalibrateTask.h"
#include "tools/lathe/GenerateReport.h"
#include "tools/lathe/OutputFile.h"
#include "tools/lathe/Signals.h"

#include "runtime/adaptive/ExitTrial.h"
#include "runtime/formats/Safetensors.h"
#include "runtime/support/Limits.h"
#include "runtime/support/NumberRanges.h"
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
  bool checkArguments(const CalibrateArguments &Given, Diagnostics &Diags);
  bool measure(const ModelArguments &Model, Terminal &Term, Diagnostics &Diags);
  bool measureDepths(const Model &Whole, std::span<const int32_t> Ids, Diagnostics &Diags);
  bool wantsWidths(const ModelInput &Input, Diagnostics &Diags) const;
  bool measureWidths(const std::string &Path, ModelOptions Compile, std::span<const int32_t> Ids,
                     Diagnostics &Diags);
  bool tryWidths(const std::string &Path, const ModelOptions &Compile, std::span<const int32_t> Ids,
                 Diagnostics &Diags);
  bool wantsExits(const ModelInput &Input, size_t Ids, Diagnostics &Diags) const;
  bool fitExits(const std::string &Path, const ModelOptions &Compile, const ExitTexts &Texts,
                Diagnostics &Diags);
  bool tryExits(const std::string &Path, ModelOptions Compile, const ExitTexts &Texts,
                Diagnostics &Diags);
  bool enter(const std::string &Doing);
  std::function<bool()> goesOn(Diagnostics &Diags);

  TextArguments Text;
  std::optional<int64_t> Tokens, Most, ExitTokens, Rank;
  std::optional<double> Floor;
  std::optional<std::string> ExitList, WidthList;
  std::vector<int64_t> ExitLayers;
  GenerateFindings Found;
  double HeadBytes = 0;
  Terminal *Shown = nullptr;
  std::string Doing;
};
} // namespace

void CalibrateGenerate::declare(Options &Accepted) {
  Accepted.text(Text.File, "-f,--file", "FILE",
                "generate: the text to measure on (- is standard input)");
  Accepted.integer(Tokens, "--tokens", "generate: tokens to choose by, and to score on (256)",
                   {64, 1 << 16});
  Accepted.integer(Most, "--most", "generate: layers of the smallest part to leave out (4)",
                   {1, 4096});
  Accepted.number(Floor, "--floor", "generate: refuse what agrees less with the whole (0.95)",
                  {0, 1});
  Accepted.text(WidthList, "--widths", "LIST",
                "generate: shares of neurons, or none (0.875,0.75,0.5)");
  Accepted.text(ExitList, "--exits", "LIST", "generate: layers to leave behind, or none (a few)");
  Accepted.integer(ExitTokens, "--exit-tokens", "generate: of each kind, to fit exits on (4096)",
                   {static_cast<int64_t>(ExitTexts::LeastTokens), 1 << 20});
  Accepted.integer(Rank, "--rank", "generate: rank of the lenses of exits (full)", {1, 1 << 16});
}

bool CalibrateGenerate::enter(const std::string &What) {
  Doing = What;
  Shown->progress(Doing + " ...");
  return !interrupted();
}

/// Asked very often.
std::function<bool()> CalibrateGenerate::goesOn(Diagnostics &Diags) {
  return [this, &Diags] {
    if (!interrupted())
      return true;
    Diags.error(807, {}, "interrupted while " + Doing);
    return false;
  };
}

bool CalibrateGenerate::checkArguments(const CalibrateArguments &Given, Diagnostics &Diags) {
  if (!Text.File)
    Diags.error(108, "lathe calibrate", "found no text, expected one with -f",
                "'--task classify' takes --train and --test");
  if (Given.AsJson && Given.Output == "-")
    Diags.error(111, "lathe calibrate", "found --json and '-o -', expected one of them");
  if (!ExitList || *ExitList == "none")
    return !Diags.hasErrors();
  // The model's layers are not known yet.
  std::optional<std::vector<bool>> Listed =
      parseLayerList(*ExitList, "exits", static_cast<int64_t>(limits::MaxLayers), Diags);
  for (size_t Layer = 0; Listed && Layer < Listed->size(); ++Layer)
    if ((*Listed)[Layer])
      ExitLayers.push_back(static_cast<int64_t>(Layer));
  return !Diags.hasErrors();
}

/// Whether exits are to be fitted; an error where they cannot be, and were asked for.
bool CalibrateGenerate::wantsExits(const ModelInput &Input, size_t Ids, Diagnostics &Diags) const {
  if (ExitList == "none")
    return false;
  auto Least = static_cast<size_t>(ExitTokens.value_or(ExitTexts::LeastTokens));
  bool Asked = ExitList || ExitTokens;
  auto Tell = Asked ? &Diagnostics::error : &Diagnostics::warning;
  if (Input.Compiled)
    (Diags.*Tell)(846, "exits", "found a compiled model, expected the model file",
                  "what is compiled cannot be given exits; --exits none is for it");
  else if (Ids < Least)
    (Diags.*Tell)(846, "exits",
                  "found " + std::to_string(Ids) + " tokens, expected at least " +
                      std::to_string(Least),
                  "give a longer text, or --exits none");
  else
    return true;
  return false;
}

/// Whether widths are to be measured; an error where they cannot be, and were asked for.
bool CalibrateGenerate::wantsWidths(const ModelInput &Input, Diagnostics &Diags) const {
  if (WidthList == "none")
    return false;
  if (!Input.Compiled && Input.ProgramPath.empty())
    return true;
  if (WidthList)
    Diags.error(846, "widths", "found a compiled model, expected the model file",
                "what is compiled stores its neurons in an order already; --widths none is for it");
  return false;
}

static std::vector<std::string> splitList(std::string_view List) {
  std::vector<std::string> Items;
  for (size_t First = 0; First <= List.size(); First += Items.back().size() + 1)
    Items.emplace_back(List.substr(First, List.find(',', First) - First));
  return Items;
}

/// Orders the neurons by the half of the text that no point is scored on, and scores widths of a
/// model that stores them so.
bool CalibrateGenerate::measureWidths(const std::string &Path, ModelOptions Compile,
                                      std::span<const int32_t> Ids, Diagnostics &Diags) {
  DepthCalibrationOptions Options;
  Options.TextTokens = static_cast<size_t>(Tokens.value_or(256));
  Options.OnStage = [this](const std::string &What) { return enter(What); };
  enter("looking at neurons");
  std::optional<NeuronOrder> Neurons =
      measureNeurons(Path, Compile, Ids.first(Options.TextTokens), goesOn(Diags), Diags);
  if (!Neurons)
    return false;
  Found.Neurons = std::move(*Neurons);
  std::vector<uint8_t> Bytes = calibrationBytes(generateJson(Found), Found);
  Calibration Made;
  Made.OrdersNeurons = true;
  Compile.Passes = Made.widthPasses({});
  Compile.Calibrated = SafetensorsFile::parse(Bytes, "widths", Diags);
  std::unique_ptr<Model> Ordered =
      Compile.Calibrated ? Model::load(GGUFFile::open(Path, Diags), Compile, Diags) : nullptr;
  if (!Ordered)
    return false;
  std::optional<std::vector<DepthPoint>> Points =
      DepthCalibration(*Ordered, Options)
          .runWidths(Ids, splitList(WidthList.value_or("0.875,0.75,0.5")), Diags);
  if (Points)
    Found.Widths = std::move(*Points);
  return Points.has_value();
}

/// A model without widths that nobody asked for is measured without.
bool CalibrateGenerate::tryWidths(const std::string &Path, const ModelOptions &Compile,
                                  std::span<const int32_t> Ids, Diagnostics &Diags) {
  Diagnostics Local;
  bool Measured = measureWidths(Path, Compile, Ids, Local);
  if (Measured || WidthList || interrupted()) {
    Diags.append(Local);
    return Measured;
  }
  Found.Neurons.clear();
  Diags.warning(846, "widths", "not measured: " + Local.all().front().Message);
  return true;
}

bool CalibrateGenerate::measureDepths(const Model &Whole, std::span<const int32_t> Ids,
                                      Diagnostics &Diags) {
  DepthCalibrationOptions Options;
  Options.TextTokens = static_cast<size_t>(Tokens.value_or(256));
  Options.MostSkipped = Most.value_or(4);
  Options.OnStage = [this](const std::string &What) { return enter(What); };
  std::optional<std::vector<DepthPoint>> Points = DepthCalibration(Whole, Options).run(Ids, Diags);
  if (Points)
    Found.Depths = std::move(*Points);
  return Points.has_value();
}

bool CalibrateGenerate::fitExits(const std::string &Path, const ModelOptions &Compile,
                                 const ExitTexts &Texts, Diagnostics &Diags) {
  enter("compiling the model in two parts");
  std::unique_ptr<ExitMeter> Meter =
      ExitMeter::create(Path, Compile, Texts.longest(), goesOn(Diags), Diags);
  if (!Meter)
    return false;
  ExitCalibrationOptions Options;
  Options.Layers = ExitLayers;
  Options.Rank = static_cast<size_t>(Rank.value_or(0));
  Options.OnStage = [this](const std::string &What) { return enter(What); };
  Found.Exits = ExitCalibration(*Meter, Options).run(Texts, Diags);
  HeadBytes = Meter->headBytes();
  return Found.Exits.has_value();
}

/// Runs the model with the exits, which are not in a file yet.
bool CalibrateGenerate::tryExits(const std::string &Path, ModelOptions Compile,
                                 const ExitTexts &Texts, Diagnostics &Diags) {
  enter("compiling the model with exits");
  std::vector<uint8_t> Bytes = calibrationBytes(generateJson(Found), Found);
  std::shared_ptr<SafetensorsFile> File = SafetensorsFile::parse(Bytes, "exits", Diags);
  Calibration Made;
  Made.ExitLayers = Found.Exits->Layers;
  Made.ExitRank = static_cast<int64_t>(Found.Exits->Rank);
  Compile.Passes = Made.passes();
  Compile.Calibrated = File;
  std::unique_ptr<Model> WithExits = Model::load(GGUFFile::open(Path, Diags), Compile, Diags);
  if (!WithExits)
    return false;
  ExitTrial Trial(*WithExits, *Found.Exits, goesOn(Diags));
  // Those that leave always at one place read no key or value of a layer that did not run.
  for (ExitPoint &Point : Found.Exits->Points)
    if (Point.Target > 0) {
      enter("running thresholds for " + formatFixed(100 * Point.Target, 0) + " %");
      if (!Trial.chooseThreshold(Point, Texts, Diags) ||
          (Point.Policy.isThreshold() && !Trial.score(Point, Texts, Diags)))
        return false;
    }
  enter("timing exits");
  if (!Trial.measureTimes(Texts, Diags))
    return false;
  Trial.setShares(HeadBytes);
  return true;
}

bool CalibrateGenerate::measure(const ModelArguments &Given, Terminal &Term, Diagnostics &Diags) {
  std::optional<std::string> Words = Text.read(Diags);
  ModelInput Input = Words ? Given.openFile(Diags) : ModelInput();
  if (!Input.File)
    return false;
  std::string Path = Input.File->path();
  Found.HeaderHash = hexText(hashBlocks(Input.File->headerBytes()));
  std::unique_ptr<Tokenizer> Vocabulary = Tokenizer::create(*Input.File, Diags);
  if (!Vocabulary)
    return false;
  std::vector<int32_t> Ids = Vocabulary->encode(*Words, {true, false});
  bool Leaves = wantsExits(Input, Ids.size(), Diags), Narrows = wantsWidths(Input, Diags);
  ModelInput Copy;
  Copy.ProgramPath = Input.ProgramPath;
  ModelOptions Compile = Given.modelOptions(Copy);
  std::optional<LoadedModel> Loaded =
      Diags.hasErrors() ? std::nullopt : Given.load(std::move(Input), 1, 256, Term, Diags);
  if (!Loaded || !measureDepths(*Loaded->Source, Ids, Diags))
    return false;
  std::optional<ExitTexts> Texts;
  if (Leaves) {
    size_t Wanted = std::min(static_cast<size_t>(ExitTokens.value_or(4096)), Ids.size());
    enter("listening to the model");
    Texts = ExitTexts::create(*Loaded->Source, Ids, Wanted / 8 * 8, goesOn(Diags), Diags);
    if (!Texts)
      return false;
  }
  // Each of its parts and it need memory.
  Loaded.reset();
  return (!Narrows || tryWidths(Path, Compile, Ids, Diags)) &&
         (!Texts ||
          (fitExits(Path, Compile, *Texts, Diags) && tryExits(Path, Compile, *Texts, Diags)));
}

void CalibrateGenerate::run(const CalibrateArguments &Given, Terminal &Term, Diagnostics &Diags) {
  if (!checkArguments(Given, Diags))
    return;
  Shown = &Term;
  Found.Rule.Floor = Floor.value_or(Found.Rule.Floor);
  Found.Rule.Gain = Given.Gain.value_or(Found.Rule.Gain);
  std::unique_ptr<OutputFile> File =
      Given.Output ? OutputFile::open(*Given.Output, *Given.Model.Path, Term, Diags) : nullptr;
  if ((Given.Output && !File) || !measure(Given.Model, Term, Diags))
    return;
  Term.clearProgress();
  std::string Json = generateJson(Found), Table = Given.AsJson ? Json : generateTables(Found);
  bool ToOutput = Given.Output != "-";
  (ToOutput ? Term.out(Table) : (Term.err(Table), true));
  if (File && File->write(calibrationBytes(Json, Found), Diags))
    File->finish(Diags);
}

static CalibrateTaskRegistration Registered({"generate", []() -> std::unique_ptr<CalibrateTask> {
                                               return std::make_unique<CalibrateGenerate>();
                                             }});
