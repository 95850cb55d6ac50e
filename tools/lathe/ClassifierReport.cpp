//===- ClassifierReport.cpp - What calibrating a classifier found -----------===//

#include "tools/lathe/ClassifierReport.h"

#include "tools/lathe/Json.h"
#include "tools/lathe/TextTable.h"

#include "runtime/support/Binomial.h"
#include "runtime/support/Text.h"

using namespace lathe;
using namespace lathe::cli;

/// Of a share, with 95 % (Clopper and Pearson, 1934).
static std::pair<double, double> interval(int64_t Right, int64_t Count) {
  return {lowerBound(Right, Count, 0.975), 1 - lowerBound(Count - Right, Count, 0.975)};
}

static std::string percent(double Share) { return formatFixed(100 * Share, 1) + " %"; }

static std::string intervalText(int64_t Right, int64_t Count) {
  auto [Low, High] = interval(Right, Count);
  return formatFixed(100 * Low, 1) + " to " + formatFixed(100 * High, 1);
}

static std::string exitsText(const CalibratedClassifier &Found, const MarginExits &Choice) {
  std::string First = std::to_string(Choice.FirstExit),
              Last = std::to_string(Found.RightAtDepth.size() - 2);
  return "exits at " + (First == Last ? First : First + " to " + Last);
}

static std::string verdictText(const CalibratedClassifier &Found, size_t Index) {
  const ExitPoint &Point = Found.Points[Index];
  if (!Point.Refused.empty())
    return "refused: " + Point.Refused;
  return Found.Chosen == Index ? "chosen" : "offered";
}

std::string cli::classifierTable(const CalibratedClassifier &Found) {
  int64_t Texts = Found.TestTexts, Right = Found.RightAtDepth.back();
  auto Share = [&](int64_t Of) { return percent(double(Of) / double(Texts)); };
  TextTable Table({"", "threshold", "layers", "work", "ms", "speed", "accuracy", "95 %", "lost",
                   "bound", "verdict"},
                  {10});
  Table.add({"bag of words (TF-IDF)", "", "", "", "", "", Share(Found.RightByWords),
             intervalText(Found.RightByWords, Texts), "", "", ""});
  std::string Layers = std::to_string(Found.RightAtDepth.size() - 1);
  Table.add({"no exits", "", Layers, "1.00", formatFixed(1e3 * Found.SecondsToDepth.back(), 2),
             "1.00", Share(Right), intervalText(Right, Texts), "", "", ""});
  for (size_t I = 0; I < Found.Points.size(); ++I) {
    const ExitPoint &Point = Found.Points[I];
    const ExitOutcome &Test = Point.Test;
    bool Leaves = Point.Choice.Threshold <= 1;
    Table.add({exitsText(Found, Point.Choice),
               Leaves ? formatFixed(double(Point.Choice.Threshold), 3) : "none",
               formatFixed(Test.MeanDepth, 2), formatFixed(Test.Work / Test.WholeWork, 2),
               formatFixed(1e3 * Point.Timed.Work, 2), formatFixed(1 + Point.Timed.gain(), 2),
               Share(Test.Right), intervalText(Test.Right, Texts), formatFixed(Test.loss(), 2),
               formatFixed(Point.Valid.bound(), 2), verdictText(Found, I)});
  }
  return Table.text();
}

//===----------------------------------------------------------------------===//
// JSON
//===----------------------------------------------------------------------===//

/// `Work` names what was counted.
static void writeOutcome(JsonWriter &Json, std::string_view Name, const std::string &Work,
                         const ExitOutcome &Outcome) {
  Json.key(Name).beginObject();
  Json.field("texts", Outcome.Texts).field("right", Outcome.Right);
  Json.field("right_without_exits", Outcome.RightWhole).field("points_lost", Outcome.loss());
  Json.field("bound", Outcome.bound()).field("mean_layers", Outcome.MeanDepth);
  Json.field(Work, Outcome.Work).field(Work + "_without_exits", Outcome.WholeWork);
  Json.key("left_at").beginArray();
  for (int64_t Count : Outcome.LeftAt)
    Json.value(Count);
  Json.endArray().endObject();
}

static void writeMeasured(JsonWriter &Json, const CalibratedClassifier &Found,
                          const ExitRule &Rule) {
  Json.key("rule").beginObject();
  Json.field("target", Rule.Target).field("gain", Rule.Gain).endObject();
  Json.key("measured").beginObject();
  Json.field("test_texts", Found.TestTexts).field("right_by_words", Found.RightByWords);
  Json.key("depths").beginArray();
  for (size_t Depth = 0; Depth < Found.RightAtDepth.size(); ++Depth) {
    Json.beginObject().field("depth", static_cast<uint64_t>(Depth));
    Json.field("right", Found.RightAtDepth[Depth]);
    Json.field("seconds", Found.SecondsToDepth[Depth]).endObject();
  }
  Json.endArray().key("points").beginArray();
  for (size_t I = 0; I < Found.Points.size(); ++I) {
    const ExitPoint &Point = Found.Points[I];
    Json.beginObject().field("first_exit", Point.Choice.FirstExit);
    Json.field("threshold", Point.Choice.Threshold).field("refused", Point.Refused);
    Json.field("chosen", Found.Chosen == I);
    writeOutcome(Json, "validation", "multiply_adds", Point.Valid);
    writeOutcome(Json, "test", "multiply_adds", Point.Test);
    writeOutcome(Json, "timed", "seconds", Point.Timed);
    Json.endObject();
  }
  Json.endArray().endObject();
}

std::string cli::classifierJson(const CalibratedClassifier &Found, const ExitRule &Rule) {
  JsonWriter Json;
  Json.beginObject();
  writeMeasured(Json, Found, Rule);
  return Json.endObject().take();
}

/// A text for each label, as one line of numbers reads better than one number a line.
static void writeHead(JsonWriter &Json, const ExitHead &Head) {
  size_t Labels = Head.Bias.size(), Features = Head.Weights.size() / Labels;
  Json.beginObject().field("depth", Head.Depth).field("temperature", Head.Temperature);
  Json.field("bias", numbersText(Head.Bias)).key("weights").beginArray();
  for (size_t L = 0; L < Labels; ++L) {
    std::vector<float> Row(Features);
    for (size_t F = 0; F < Features; ++F)
      Row[F] = Head.Weights[F * Labels + L];
    Json.value(numbersText(Row));
  }
  Json.endArray().endObject();
}

std::string cli::classifierFileText(const CalibratedClassifier &Found, const ExitRule &Rule) {
  const ClassifierFile &File = Found.File;
  JsonWriter Json;
  Json.beginObject().field("lathe_calibration", ClassifierFile::Version);
  Json.key("model").beginObject().field("hash", File.ModelHash).endObject();
  writeMeasured(Json, Found, Rule);
  Json.key("classifier").beginObject().key("labels").beginArray();
  for (const std::string &Label : File.Labels)
    Json.value(Label);
  Json.endArray().field("pooling", File.Pool == Pooling::First ? "cls" : "mean");
  Json.field("max_tokens", File.MaxTokens).field("threshold", File.Threshold);
  Json.field("refused", File.Refused).key("heads").beginArray();
  for (const ExitHead &Head : File.Heads)
    writeHead(Json, Head);
  return Json.endArray().endObject().endObject().take();
}
