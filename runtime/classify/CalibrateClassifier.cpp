//===- CalibrateClassifier.cpp - Makes a classifier of an encoder ---------===//

#include "runtime/classify/CalibrateClassifier.h"

#include "runtime/classify/FitHeads.h"
#include "runtime/classify/VectorFile.h"
#include "runtime/classify/WordBaseline.h"

#include <algorithm>
#include <chrono>

using namespace lathe;

namespace {

/// Texts of a part, and what an encoder made of them.
struct ReadTexts {
  std::vector<std::vector<int32_t>> Tokens;
  LabelledVectors Vectors;
};

/// When texts had been judged at each depth, [texts][depths].
struct TimedTexts {
  std::vector<size_t> Numbers; ///< In their part.
  std::vector<float> Seconds;
};

class ClassifierCalibration {
public:
  ClassifierCalibration(Encoder &Model, const ClassifierOptions &Options, Diagnostics &Diags)
      : Model(Model), Options(Options), Diags(Diags) {}

  std::optional<CalibratedClassifier> run(const LabelledParts &Parts);

private:
  static constexpr size_t StageTexts = 8;  ///< Between two calls of OnStage.
  static constexpr size_t MostTimed = 512; ///< Texts, evenly from the test part.
  static constexpr size_t WarmTexts = 32;  ///< Those that find cold caches, taken again.

  bool checkSizes(const LabelledParts &Parts);
  bool enter(const std::string &Doing);
  bool read(const LabelledTexts &Texts, const std::string &Name, ReadTexts &Into);
  bool readStage(std::span<const std::vector<int32_t>> Tokens, float *Into);
  bool readAll(const LabelledParts &Parts);
  bool time();
  bool timeOne(const std::vector<int32_t> &Text, float *Seconds);
  std::vector<float> workOf(const ReadTexts &Texts) const;
  JudgedTexts pickTimed(const JudgedTexts &From) const;
  void tryPoints();
  void tellDepths(const JudgedTexts &OnTest);
  void choose(const LabelledParts &Parts);

  Encoder &Model;
  const ClassifierOptions &Options;
  Diagnostics &Diags;
  std::optional<VectorFile> Kept;
  ReadTexts Train, Valid, Test;
  TimedTexts Timed;
  std::vector<ExitHead> Heads; ///< Of all depths.
  CalibratedClassifier Result;
};

} // namespace

std::vector<float> lathe::countWork(const Manifest &Program, int64_t Tokens, size_t Labels) {
  auto Layers = static_cast<size_t>(Program.Model.Layers);
  double Width = static_cast<double>(Program.Model.Embedding), Rows = static_cast<double>(Tokens);
  std::vector<double> Matrices(Layers);
  for (const ManifestWeight &Each : Program.Weights)
    for (int64_t Layer : Each.Layers)
      if (Each.Layout == WeightLayout::Panel32)
        Matrices[static_cast<size_t>(Layer)] +=
            static_cast<double>(Each.Shape[0]) * static_cast<double>(Each.Shape[1]);
  std::vector<float> Work;
  double Sum = 0;
  for (size_t Depth = 0; Depth <= Layers; ++Depth) {
    if (Depth != 0)
      Sum += Rows * Matrices[Depth - 1] + 2 * Rows * Rows * Width;
    Sum += Rows * Width + static_cast<double>((Depth + 1) * Labels) * Width;
    Work.push_back(static_cast<float>(Sum));
  }
  return Work;
}

bool ClassifierCalibration::checkSizes(const LabelledParts &Parts) {
  auto Check = [&](const LabelledTexts &Texts, const char *Name) {
    if (Texts.size() >= ClassifierOptions::LeastTexts)
      return true;
    Diags.error(846, Name,
                "found " + std::to_string(Texts.size()) + " texts, expected at least " +
                    std::to_string(ClassifierOptions::LeastTexts));
    return false;
  };
  bool Train = Check(Parts.Train, "texts to learn from");
  bool Valid = Check(Parts.Valid, "texts to choose exits by");
  return Check(Parts.Test, "texts to try") && Train && Valid;
}

bool ClassifierCalibration::enter(const std::string &Doing) {
  if (!Options.OnStage || Options.OnStage(Doing))
    return true;
  Diags.error(807, {}, "interrupted while the model was calibrated");
  return false;
}

/// Vectors of all depths that are not kept; texts share steps.
bool ClassifierCalibration::readStage(std::span<const std::vector<int32_t>> Tokens, float *Into) {
  auto Stride = static_cast<size_t>(Model.depths() * Model.width());
  std::vector<std::vector<int32_t>> Asked;
  std::vector<size_t> Places;
  for (size_t I = 0; I < Tokens.size(); ++I)
    if (!Kept || !Kept->find(Tokens[I], Into + I * Stride)) {
      Asked.push_back(Tokens[I]);
      Places.push_back(I);
    }
  std::vector<float> Found(Asked.size() * Stride);
  if (!Model.encodeDepths(Asked, Options.Pool, Found.data(), Diags))
    return false;
  for (size_t I = 0; I < Asked.size(); ++I) {
    const float *From = Found.data() + I * Stride;
    std::copy_n(From, Stride, Into + Places[I] * Stride);
    if (Kept)
      Kept->add(Asked[I], From);
  }
  return true;
}

bool ClassifierCalibration::read(const LabelledTexts &Texts, const std::string &Name,
                                 ReadTexts &Into) {
  std::vector<std::string_view> Views(Texts.Texts.begin(), Texts.Texts.end());
  Into.Tokens = Model.tokenize(Views, Diags, Options.MaxTokens);
  Into.Vectors.Depths = static_cast<size_t>(Model.depths());
  Into.Vectors.Width = static_cast<size_t>(Model.width());
  Into.Vectors.Label = Texts.Label;
  size_t Stride = Into.Vectors.Depths * Into.Vectors.Width, All = Texts.size();
  Into.Vectors.Vectors.resize(All * Stride);
  for (size_t First = 0; First < All; First += StageTexts) {
    size_t Count = std::min(StageTexts, All - First);
    if (!enter("reading " + Name + " " + std::to_string(First) + " of " + std::to_string(All)) ||
        !readStage(std::span(Into.Tokens).subspan(First, Count),
                   Into.Vectors.Vectors.data() + First * Stride))
      return false;
  }
  return true;
}

bool ClassifierCalibration::readAll(const LabelledParts &Parts) {
  if (!Options.VectorFile.empty()) {
    Kept = VectorFile::open(Options.VectorFile, Model, Options.Pool, Diags);
    if (!Kept)
      return false;
  }
  bool All = read(Parts.Train, "text to learn from", Train) &&
             read(Parts.Valid, "validation text", Valid) && read(Parts.Test, "test text", Test);
  // Those of a calibration that is interrupted are there when it begins again.
  bool Saved = !Kept || Kept->save(Diags);
  return All && Saved;
}

/// Through all layers as TextClassifier goes, asking every head.
bool ClassifierCalibration::timeOne(const std::vector<int32_t> &Text, float *Seconds) {
  using Clock = std::chrono::steady_clock;
  std::vector<float> Vectors(Test.Vectors.Depths * Test.Vectors.Width);
  std::vector<float> Scores(Heads.front().Bias.size());
  Clock::time_point Start = Clock::now();
  if (!Model.begin(Text, Options.Pool, Vectors.data(), Diags))
    return false;
  for (size_t Depth = 0; Depth < Heads.size(); ++Depth) {
    if (Depth != 0 && !Model.advance(Vectors.data() + Depth * Test.Vectors.Width, Diags))
      return false;
    Heads[Depth].judge(Vectors.data(), Scores.data());
    Seconds[Depth] = std::chrono::duration<float>(Clock::now() - Start).count();
  }
  return true;
}

/// A text's times with exits and without are of one run, so that they drift together.
bool ClassifierCalibration::time() {
  size_t Count = std::min(MostTimed, Test.Tokens.size()), Depths = Heads.size();
  for (size_t I = 0; I < Count; ++I)
    Timed.Numbers.push_back(I * Test.Tokens.size() / Count);
  Timed.Seconds.resize(Count * Depths);
  for (size_t I = 0; I < Count + WarmTexts; ++I) {
    size_t Number = I < WarmTexts ? I : I - WarmTexts;
    if (I % StageTexts == 0 && !enter("timing test text " + std::to_string(Number)))
      return false;
    if (!timeOne(Test.Tokens[Timed.Numbers[Number]], Timed.Seconds.data() + Number * Depths))
      return false;
  }
  return true;
}

std::vector<float> ClassifierCalibration::workOf(const ReadTexts &Texts) const {
  std::vector<float> Work;
  for (const std::vector<int32_t> &Text : Texts.Tokens) {
    std::vector<float> Own =
        countWork(Model.manifest(), static_cast<int64_t>(Text.size()), Heads.front().Bias.size());
    Work.insert(Work.end(), Own.begin(), Own.end());
  }
  return Work;
}

JudgedTexts ClassifierCalibration::pickTimed(const JudgedTexts &From) const {
  JudgedTexts Picked;
  Picked.Depths = From.Depths;
  for (size_t Number : Timed.Numbers) {
    Picked.Label.push_back(From.Label[Number]);
    const Verdict *First = &From.at(Number, 0);
    Picked.Said.insert(Picked.Said.end(), First, First + From.Depths);
  }
  return Picked;
}

void ClassifierCalibration::tryPoints() {
  fitTemperatures(Heads, Valid.Vectors);
  JudgedTexts OnValid = judgeTexts(Heads, Valid.Vectors), OnTest = judgeTexts(Heads, Test.Vectors);
  std::vector<float> ValidWork = workOf(Valid), TestWork = workOf(Test);
  JudgedTexts OnTimed = pickTimed(OnTest);
  for (const MarginExits &Choice : Options.Rule.choices(OnValid)) {
    ExitPoint Point = {Choice,
                       evaluate(Choice, OnValid, ValidWork),
                       evaluate(Choice, OnTest, TestWork),
                       evaluate(Choice, OnTimed, Timed.Seconds),
                       {}};
    Point.Refused = Options.Rule.refusal(Point.Valid);
    Result.Points.push_back(std::move(Point));
  }
  tellDepths(OnTest);
}

void ClassifierCalibration::tellDepths(const JudgedTexts &OnTest) {
  Result.TestTexts = static_cast<int64_t>(OnTest.size());
  for (size_t Depth = 0; Depth < Heads.size(); ++Depth) {
    double Seconds = 0;
    for (size_t I = 0; I < Timed.Numbers.size(); ++I)
      Seconds += Timed.Seconds[I * Heads.size() + Depth];
    Result.RightAtDepth.push_back(OnTest.countRight(Depth));
    Result.SecondsToDepth.push_back(Seconds / static_cast<double>(Timed.Numbers.size()));
  }
}

/// The point that gains most on the validation part.
void ClassifierCalibration::choose(const LabelledParts &Parts) {
  for (size_t I = 0; I < Result.Points.size(); ++I)
    if (Result.Points[I].Refused.empty() &&
        (!Result.Chosen ||
         Result.Points[I].Valid.gain() > Result.Points[*Result.Chosen].Valid.gain()))
      Result.Chosen = I;
  ClassifierFile &File = Result.File;
  File.ModelHash = Model.folder().contentHash();
  File.Labels = Parts.Train.Labels;
  File.Pool = Options.Pool;
  File.MaxTokens = Options.MaxTokens > 0 ? std::min(Options.MaxTokens, Model.facts().MaxTokens)
                                         : Model.facts().MaxTokens;
  size_t First = Heads.size() - 1;
  if (Result.Chosen) {
    const MarginExits &Choice = Result.Points[*Result.Chosen].Choice;
    File.Threshold = Choice.Threshold;
    First = static_cast<size_t>(Choice.FirstExit);
  } else
    File.Refused = Result.Points.empty() ? "the model has no layers" : Result.Points.back().Refused;
  File.Heads.assign(std::make_move_iterator(Heads.begin() + static_cast<ptrdiff_t>(First)),
                    std::make_move_iterator(Heads.end()));
}

std::optional<CalibratedClassifier> ClassifierCalibration::run(const LabelledParts &Parts) {
  if (!checkSizes(Parts) || !readAll(Parts) || !enter("fitting heads"))
    return std::nullopt;
  Heads = fitHeads(Train.Vectors, Parts.Train.Labels.size());
  if (!time() || !enter("choosing exits"))
    return std::nullopt;
  tryPoints();
  choose(Parts);
  if (!enter("reading words"))
    return std::nullopt;
  Result.RightByWords = countRightByWords(Parts.Train, Parts.Test);
  return std::move(Result);
}

std::optional<CalibratedClassifier> lathe::calibrateClassifier(Encoder &Model,
                                                               const LabelledParts &Parts,
                                                               const ClassifierOptions &Options,
                                                               Diagnostics &Diags) {
  return ClassifierCalibration(Model, Options, Diags).run(Parts);
}
