//===- CalibrateClassifier.cpp - Makes a classifier of an encoder ---------===//

#include "runtime/classify/CalibrateClassifier.h"

#include "runtime/classify/FitHeads.h"
#include "runtime/classify/WordBaseline.h"

#include <algorithm>
#include <chrono>

using namespace lathe;

namespace {

/// Vectors of texts, and when the text had been judged at each depth, [texts][depths].
struct FollowedTexts {
  LabelledVectors Vectors;
  std::vector<float> Seconds;
};

class ClassifierCalibration {
public:
  ClassifierCalibration(Encoder &Model, const ClassifierOptions &Options, Diagnostics &Diags)
      : Model(Model), Options(Options), Diags(Diags) {}

  std::optional<CalibratedClassifier> run(const LabelledParts &Parts);

private:
  static constexpr size_t StageTexts = 128; ///< Between two calls of OnStage.

  bool checkSizes(const LabelledParts &Parts);
  bool enter(const std::string &Doing);
  std::vector<std::vector<int32_t>> tokenize(const LabelledTexts &Texts);
  LabelledVectors roomFor(const LabelledTexts &Texts) const;
  bool learn(const LabelledTexts &Texts);
  bool follow(const LabelledTexts &Texts, const char *Name, FollowedTexts &Into);
  bool followOne(const std::vector<int32_t> &Text, float *Vectors, float *Seconds);
  void tryPoints(const FollowedTexts &Valid, const FollowedTexts &Test);
  void choose(const LabelledParts &Parts);

  Encoder &Model;
  const ClassifierOptions &Options;
  Diagnostics &Diags;
  std::vector<ExitHead> Heads; ///< Of all depths.
  std::vector<float> Scores;
  CalibratedClassifier Result;
};

} // namespace

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

std::vector<std::vector<int32_t>> ClassifierCalibration::tokenize(const LabelledTexts &Texts) {
  std::vector<std::string_view> Views(Texts.Texts.begin(), Texts.Texts.end());
  return Model.tokenize(Views, Diags, Options.MaxTokens);
}

LabelledVectors ClassifierCalibration::roomFor(const LabelledTexts &Texts) const {
  LabelledVectors Room;
  Room.Depths = static_cast<size_t>(Model.depths());
  Room.Width = static_cast<size_t>(Model.width());
  Room.Vectors.resize(Texts.size() * Room.Depths * Room.Width);
  Room.Label = Texts.Label;
  return Room;
}

/// Fits the heads; texts share steps.
bool ClassifierCalibration::learn(const LabelledTexts &Texts) {
  LabelledVectors Vectors = roomFor(Texts);
  std::vector<std::vector<int32_t>> Tokens = tokenize(Texts);
  size_t Stride = Vectors.Depths * Vectors.Width;
  for (size_t First = 0; First < Tokens.size(); First += StageTexts) {
    size_t Count = std::min(StageTexts, Tokens.size() - First);
    if (!enter("reading text " + std::to_string(First) + " of " + std::to_string(Tokens.size()) +
               " to learn from") ||
        !Model.encodeDepths(std::span(Tokens).subspan(First, Count), Options.Pool,
                            Vectors.Vectors.data() + First * Stride, Diags))
      return false;
  }
  if (!enter("fitting heads"))
    return false;
  Heads = fitHeads(Vectors, Texts.Labels.size());
  Scores.resize(Texts.Labels.size());
  return true;
}

/// Through all layers as TextClassifier goes, asking every head.
bool ClassifierCalibration::followOne(const std::vector<int32_t> &Text, float *Vectors,
                                      float *Seconds) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point Start = Clock::now();
  if (!Model.begin(Text, Options.Pool, Vectors, Diags))
    return false;
  for (size_t Depth = 0; Depth < Heads.size(); ++Depth) {
    float *Own = Vectors + Depth * static_cast<size_t>(Model.width());
    if (Depth != 0 && !Model.advance(Own, Diags))
      return false;
    // What it says is asked again when temperatures are known; here it takes its time.
    Heads[Depth].judge(Vectors, Scores.data());
    Seconds[Depth] = std::chrono::duration<float>(Clock::now() - Start).count();
  }
  return true;
}

bool ClassifierCalibration::follow(const LabelledTexts &Texts, const char *Name,
                                   FollowedTexts &Into) {
  Into.Vectors = roomFor(Texts);
  std::vector<std::vector<int32_t>> Tokens = tokenize(Texts);
  size_t Depths = Heads.size(), Stride = Depths * Into.Vectors.Width;
  Into.Seconds.resize(Texts.size() * Depths);
  // The first texts find cold caches, and are taken again.
  for (size_t I = 0; I < Tokens.size() + StageTexts; ++I) {
    size_t Text = I < StageTexts ? I : I - StageTexts;
    if (I % StageTexts == 0 &&
        !enter("following " + std::string(Name) + " " + std::to_string(Text) + " of " +
               std::to_string(Tokens.size())))
      return false;
    if (!followOne(Tokens[Text], Into.Vectors.Vectors.data() + Text * Stride,
                   Into.Seconds.data() + Text * Depths))
      return false;
  }
  return true;
}

void ClassifierCalibration::tryPoints(const FollowedTexts &Valid, const FollowedTexts &Test) {
  fitTemperatures(Heads, Valid.Vectors);
  JudgedTexts OnValid = judgeTexts(Heads, Valid.Vectors), OnTest = judgeTexts(Heads, Test.Vectors);
  for (const MarginExits &Choice : Options.Rule.choices(OnValid)) {
    ExitPoint Point = {Choice,
                       evaluate(Choice, OnValid, Valid.Seconds),
                       evaluate(Choice, OnTest, Test.Seconds),
                       {}};
    Point.Refused = Options.Rule.refusal(Point.Valid);
    Result.Points.push_back(std::move(Point));
  }
  Result.TestTexts = static_cast<int64_t>(OnTest.size());
  for (size_t Depth = 0; Depth < Heads.size(); ++Depth) {
    double Seconds = 0;
    for (size_t I = 0; I < OnTest.size(); ++I)
      Seconds += Test.Seconds[I * Heads.size() + Depth];
    Result.RightAtDepth.push_back(OnTest.countRight(Depth));
    Result.SecondsToDepth.push_back(Seconds / static_cast<double>(OnTest.size()));
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
  File.ModelHash = hashModel(Model.folder());
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
  FollowedTexts Valid, Test;
  if (!checkSizes(Parts) || !learn(Parts.Train) || !follow(Parts.Valid, "validation text", Valid) ||
      !follow(Parts.Test, "test text", Test) || !enter("choosing exits"))
    return std::nullopt;
  tryPoints(Valid, Test);
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
