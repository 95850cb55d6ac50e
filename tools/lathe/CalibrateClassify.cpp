//===- CalibrateClassify.cpp - lathe calibrate --task classify --------------===//
//
// Makes a classifier of an encoder, with exits where they pay.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/CalibrateTask.h"
#include "tools/lathe/ClassifierReport.h"
#include "tools/lathe/EncoderArguments.h"
#include "tools/lathe/OutputFile.h"
#include "tools/lathe/Signals.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class CalibrateClassify final : public CalibrateTask {
public:
  void declare(Options &Accepted) override;
  void run(const CalibrateArguments &Given, Terminal &Term, Diagnostics &Diags) override;

private:
  std::optional<LabelledParts> readParts(Diagnostics &Diags) const;
  std::unique_ptr<Encoder> load(const ModelArguments &Given, Diagnostics &Diags) const;
  bool write(const CalibrateArguments &Given, const CalibratedClassifier &Found, Terminal &Term,
             Diagnostics &Diags) const;

  std::optional<std::string> Train, Valid, Test, Plot, Vectors;
  std::optional<int64_t> MaxTokens;
  std::optional<double> Target;
  PoolingArgument Pool;
  ExitRule Rule;
};
} // namespace

void CalibrateClassify::declare(Options &Accepted) {
  Accepted.text(Train, "--train", "FILE", "classify: labels, tabs and texts to learn from");
  Accepted.text(Test, "--test", "FILE", "classify: those that decide nothing");
  Accepted.text(Valid, "--valid", "FILE", "classify: those to choose by (a third of --train)");
  Accepted.integer(MaxTokens, "--max-tokens", "classify: tokens of a text that are read",
                   {8, 1 << 16});
  Accepted.number(Target, "--lose", "classify: most points of accuracy to lose (0.5)", {0, 100});
  Pool.declare(Accepted);
  Accepted.text(Vectors, "--vectors", "FILE", "classify: keeps vectors of texts for next time");
  Accepted.text(Plot, "--plot", "FILE", "classify: draw accuracy against latency (.svg)");
}

/// Of `Path`, whose labels are `Known` where these are given.
static std::optional<LabelledTexts>
readTexts(const std::string &Path, const std::vector<std::string> *Known, Diagnostics &Diags) {
  std::optional<std::string> Content = readTextFile(Path, Diags);
  return Content ? LabelledTexts::parse(*Content, Path, Known, Diags) : std::nullopt;
}

std::optional<LabelledParts> CalibrateClassify::readParts(Diagnostics &Diags) const {
  std::optional<LabelledTexts> Learned = readTexts(*Train, nullptr, Diags);
  if (!Learned)
    return std::nullopt;
  std::optional<LabelledTexts> Tried = readTexts(*Test, &Learned->Labels, Diags);
  std::optional<LabelledTexts> Chosen =
      Valid ? readTexts(*Valid, &Learned->Labels, Diags) : Learned->split(1.0 / 3);
  if (!Tried || !Chosen)
    return std::nullopt;
  return LabelledParts{std::move(*Learned), std::move(*Chosen), std::move(*Tried)};
}

std::unique_ptr<Encoder> CalibrateClassify::load(const ModelArguments &Given,
                                                 Diagnostics &Diags) const {
  EncoderArguments Wanted;
  Wanted.Path = Given.Path;
  Wanted.Target = Given.Compile.Target;
  Wanted.Precision = Given.Compile.Precision;
  Wanted.Threads = Given.Threads;
  Wanted.NoCache = Given.NoCache;
  Wanted.Strict = Given.Strict;
  return Wanted.load(Diags);
}

static bool writeText(const std::string &Path, const std::string &Text, const std::string &Input,
                      Terminal &Term, Diagnostics &Diags) {
  std::unique_ptr<OutputFile> File = OutputFile::open(Path, Input, Term, Diags);
  return File &&
         File->write({reinterpret_cast<const uint8_t *>(Text.data()), Text.size()}, Diags) &&
         File->finish(Diags);
}

bool CalibrateClassify::write(const CalibrateArguments &Given, const CalibratedClassifier &Found,
                              Terminal &Term, Diagnostics &Diags) const {
  if (Plot && !writeText(*Plot, drawClassifier(Found).take(pictureStyle()) + "\n",
                         *Given.Model.Path, Term, Diags))
    return false;
  std::string Shown = Given.AsJson ? classifierJson(Found, Rule) : classifierTable(Found);
  bool ToOutput = Given.Output != "-";
  (ToOutput ? Term.out(Shown) : (Term.err(Shown), true));
  return !Given.Output ||
         writeText(*Given.Output, classifierFileText(Found, Rule), *Given.Model.Path, Term, Diags);
}

void CalibrateClassify::run(const CalibrateArguments &Given, Terminal &Term, Diagnostics &Diags) {
  if (!Train || !Test)
    Diags.error(108, "lathe calibrate --task classify", "expected --train and --test");
  if (Plot && !Plot->ends_with(".svg"))
    Diags.error(103, "--plot", "found '" + *Plot + "', expected a name that ends in .svg");
  std::optional<LabelledParts> Parts = Diags.hasErrors() ? std::nullopt : readParts(Diags);
  if (!Parts)
    return;
  Rule.Target = Target.value_or(Rule.Target);
  Rule.Gain = Given.Gain.value_or(Rule.Gain);
  Term.progress("loading " + *Given.Model.Path + " ...");
  std::unique_ptr<Encoder> Model = load(Given.Model, Diags);
  if (!Model)
    return;
  ClassifierOptions Options;
  Options.Pool = Pool.of(*Model);
  Options.MaxTokens = MaxTokens.value_or(0);
  Options.Rule = Rule;
  Options.VectorFile = Vectors.value_or("");
  Options.OnStage = [&](const std::string &Doing) {
    Term.progress(Doing + " ...");
    return !interrupted();
  };
  std::optional<CalibratedClassifier> Found = calibrateClassifier(*Model, *Parts, Options, Diags);
  Term.clearProgress();
  if (Found)
    write(Given, *Found, Term, Diags);
}

static CalibrateTaskRegistration Registered({"classify", []() -> std::unique_ptr<CalibrateTask> {
                                               return std::make_unique<CalibrateClassify>();
                                             }});
