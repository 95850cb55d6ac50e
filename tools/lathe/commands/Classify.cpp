//===- Classify.cpp - lathe classify ----------------------------------------===//
//
// Texts to labels, with a calibrated encoder.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/EncoderArguments.h"
#include "tools/lathe/Json.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/Signals.h"
#include "tools/lathe/TextTable.h"

#include "runtime/classify/TextClassifier.h"
#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

namespace {
class ClassifyCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  struct Answers {
    std::vector<std::string> Texts;
    std::vector<std::vector<int32_t>> Tokens;
    std::vector<Classification> Found;
  };

  std::optional<ClassifierFile> readFile(const CompiledModel *Carrier, Diagnostics &Diags) const;
  std::string asLines(const Answers &Given, const ClassifierFile &File) const;
  std::string asJson(const Answers &Given, const ClassifierFile &File, int64_t Depths) const;

  EncoderArguments Arguments;
  TextLines Lines;
  std::optional<std::string> Calibration;
  std::string Exit = "auto";
  bool Stats = false, AsJson = false;
};

/// What all texts together took.
struct Totals {
  std::vector<int64_t> LeftAt; ///< [depths]
  double MeanDepth = 0, Seconds = 0;

  Totals(const std::vector<Classification> &Found, int64_t Depths)
      : LeftAt(static_cast<size_t>(Depths)) {
    for (const Classification &Each : Found) {
      ++LeftAt[static_cast<size_t>(Each.Depth)];
      MeanDepth += static_cast<double>(Each.Depth) / static_cast<double>(Found.size());
      Seconds += Each.Seconds / static_cast<double>(Found.size());
    }
  }
};
} // namespace

void ClassifyCommand::declare(Options &Accepted) {
  Arguments.declareModel(Accepted);
  Lines.declareTexts(Accepted);
  Accepted.text(Calibration, "--cal", "FILE",
                "what 'lathe calibrate --task classify' wrote (MODEL's own)");
  Lines.declareFile(Accepted);
  Accepted.choice(Exit, "--exit", {"auto", "never"},
                  "leave as the calibration says, or go through all layers");
  Accepted.flag(Stats, "--stats", "say where texts left, and what they took");
  Accepted.flag(AsJson, "--json", "print JSON");
  Arguments.declareFlags(Accepted);
}

std::optional<ClassifierFile> ClassifyCommand::readFile(const CompiledModel *Carrier,
                                                        Diagnostics &Diags) const {
  if (!Calibration && Carrier && !Carrier->calibrationBytes().empty())
    return ClassifierFile::read(Carrier->calibrationBytes(), *Arguments.Path, Diags);
  if (!Calibration) {
    Diags.error(108, "lathe classify",
                "found no --cal and a model that carries no classifier, expected one of both",
                "'lathe calibrate --task classify' makes such a file");
    return std::nullopt;
  }
  std::optional<std::string> Text = readTextFile(*Calibration, Diags);
  return Text ? ClassifierFile::parse(*Text, *Calibration, Diags) : std::nullopt;
}

/// A label, how likely it is, and the text, with tabs between.
std::string ClassifyCommand::asLines(const Answers &Given, const ClassifierFile &File) const {
  std::string Text;
  for (size_t I = 0; I < Given.Texts.size(); ++I) {
    const Verdict &Said = Given.Found[I].Said;
    Text += escapeControls(File.Labels[Said.Label]) + "\t" +
            formatFixed(double(Said.Probability), 3) + "\t" + escapeControls(Given.Texts[I]) + "\n";
  }
  return Text;
}

static void writeTotals(JsonWriter &Json, const Totals &Of) {
  Json.key("stats").beginObject().key("left_at").beginArray();
  for (int64_t Count : Of.LeftAt)
    Json.value(Count);
  Json.endArray().field("mean_layers", Of.MeanDepth).field("mean_seconds", Of.Seconds).endObject();
}

std::string ClassifyCommand::asJson(const Answers &Given, const ClassifierFile &File,
                                    int64_t Depths) const {
  JsonWriter Json;
  Json.beginObject().key("texts").beginArray();
  for (size_t I = 0; I < Given.Texts.size(); ++I) {
    const Classification &Each = Given.Found[I];
    Json.beginObject().field("text", Given.Texts[I]);
    Json.field("tokens", static_cast<uint64_t>(Given.Tokens[I].size()));
    Json.field("label", File.Labels[Each.Said.Label]).field("probability", Each.Said.Probability);
    Json.field("margin", Each.Said.Margin).field("layers", Each.Depth);
    Json.field("seconds", Each.Seconds).endObject();
  }
  Json.endArray();
  writeTotals(Json, Totals(Given.Found, Depths));
  return Json.endObject().take();
}

static std::string statsText(const Totals &Of, size_t Texts) {
  cli::TextTable Table({"layers", "texts", "share"});
  for (size_t Depth = 0; Depth < Of.LeftAt.size(); ++Depth)
    Table.add({std::to_string(Depth), std::to_string(Of.LeftAt[Depth]),
               formatFixed(100 * double(Of.LeftAt[Depth]) / double(std::max<size_t>(Texts, 1)), 1) +
                   " %"});
  return Table.text() + "mean: " + formatFixed(Of.MeanDepth, 2) + " layers, " +
         formatFixed(1e3 * Of.Seconds, 2) + " ms a text\n";
}

void ClassifyCommand::run(Terminal &Term, Diagnostics &Diags) {
  std::optional<std::vector<std::string>> Words = Lines.read("lathe classify", Diags);
  if (!Words)
    return;
  ModelInput Input = Arguments.openInput(Diags);
  std::optional<ClassifierFile> File;
  if (Input.Folder)
    File = readFile(Input.Compiled.get(), Diags);
  if (!File)
    return;
  Term.progress("loading " + *Arguments.Path + " ...");
  std::unique_ptr<Encoder> Model = Arguments.load(std::move(Input), Diags);
  if (!Model || !File->checkModel(*Model, Calibration.value_or(*Arguments.Path), Diags))
    return;
  Term.clearProgress();
  TextClassifier Run(*Model, std::move(*File));
  Answers Given = {std::move(*Words), {}, {}};
  std::vector<std::string_view> Views(Given.Texts.begin(), Given.Texts.end());
  Given.Tokens = Run.tokenize(Views, Diags);
  ExitPolicy Policy = Exit == "never" ? ExitPolicy::Never : ExitPolicy::Auto;
  std::optional<std::vector<Classification>> Found =
      Run.classify(Given.Tokens, Policy, Diags, interruptFlag());
  if (!Found)
    return;
  Given.Found = std::move(*Found);
  if (AsJson) {
    Term.out(asJson(Given, Run.file(), Model->depths()));
    return;
  }
  Term.out(asLines(Given, Run.file()));
  if (Stats)
    Term.err(statsText(Totals(Given.Found, Model->depths()), Given.Texts.size()));
}

static CommandRegistration Registered({
    "classify",
    "print the labels of texts, with a calibrated encoder",
    "  lathe classify minilm --cal topics.cal \"A chess program for the terminal\"\n"
    "  lathe classify minilm --cal topics.cal -f titles.txt --stats\n"
    "  lathe classify minilm --cal topics.cal \"a text\" --exit never --json\n"
    "  lathe classify topics.lathe \"a text\"\n",
    createCommand<ClassifyCommand>,
});
