//===- ClassifyTest.cpp - The parts of a text classifier ------------------===//

#include "runtime/classify/CalibrateClassifier.h"
#include "runtime/classify/ClassifierFile.h"
#include "runtime/classify/ExitRule.h"
#include "runtime/classify/FitHeads.h"
#include "runtime/classify/LabelledTexts.h"
#include "runtime/classify/WordBaseline.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace lathe;

//===----------------------------------------------------------------------===//
// Labelled texts
//===----------------------------------------------------------------------===//

TEST(LabelledTexts, AreLinesWithATab) {
  Diagnostics Diags;
  auto Read = LabelledTexts::parse("net\ta\tb\r\ngames\tc\nnet\td", "x.tsv", nullptr, Diags);
  ASSERT_TRUE(Read) << Diags.all().front().Message;
  EXPECT_EQ(Read->Labels, (std::vector<std::string>{"games", "net"}));
  EXPECT_EQ(Read->Texts, (std::vector<std::string>{"a\tb", "c", "d"}));
  EXPECT_EQ(Read->Label, (std::vector<size_t>{1, 0, 1}));
}

static std::vector<unsigned> faultsOf(std::string_view Content,
                                      const std::vector<std::string> *Known = nullptr) {
  Diagnostics Diags;
  EXPECT_FALSE(LabelledTexts::parse(Content, "x.tsv", Known, Diags));
  std::vector<unsigned> Numbers;
  for (const Diagnostic &Each : Diags.all())
    Numbers.push_back(Each.Number);
  return Numbers;
}

TEST(LabelledTexts, AllFaultyLinesAreTold) {
  EXPECT_EQ(faultsOf("a\tb\nno tab\n\tno label\nno text\t\n\n"),
            (std::vector<unsigned>{838, 838, 838, 838}));
}

TEST(LabelledTexts, LabelsAreTwoOrMoreAndKnown) {
  EXPECT_EQ(faultsOf(""), std::vector<unsigned>{839});
  EXPECT_EQ(faultsOf("a\tb\na\tc\n"), std::vector<unsigned>{839});
  std::vector<std::string> Known = {"a", "b"};
  EXPECT_EQ(faultsOf("a\tx\nc\tx\nc\ty\nd\tx\n", &Known), (std::vector<unsigned>{839, 839}));
}

TEST(LabelledTexts, ASplitTakesItsShareAndNoTextTwice) {
  LabelledTexts All;
  All.Labels = {"a", "b"};
  for (size_t I = 0; I < 3000; ++I) {
    All.Texts.push_back("text " + std::to_string(I));
    All.Label.push_back(I % 2);
  }
  LabelledTexts Rest = All, Taken = Rest.split(1.0 / 3);
  EXPECT_EQ(Rest.size() + Taken.size(), 3000u);
  EXPECT_NEAR(double(Taken.size()), 1000, 100);
  for (const std::string &Each : Taken.Texts)
    EXPECT_EQ(std::ranges::find(Rest.Texts, Each), Rest.Texts.end());
}

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

TEST(ExitHead, ProbabilitiesAreSoftmaxOfScores) {
  ExitHead Head = {0, 2, {1, 0, 0}, {0, 2, 0, /**/ 0, 0, 4}};
  float Vectors[] = {3, 1}, Scores[3];
  Verdict Said = Head.judge(Vectors, Scores);
  // Scores 1, 6 and 4; over a temperature of 2.
  double Sum = std::exp(0.5) + std::exp(3) + std::exp(2);
  EXPECT_EQ(Said.Label, 1u);
  EXPECT_NEAR(Said.Probability, std::exp(3) / Sum, 1e-6);
  EXPECT_NEAR(Said.Margin, (std::exp(3) - std::exp(2)) / Sum, 1e-6);
}

/// Texts of three labels at two depths, of two features each, of which one is constant.
static LabelledVectors makeVectors(size_t Count) {
  LabelledVectors Texts;
  Texts.Depths = Texts.Width = 2;
  std::mt19937 Random(5);
  std::normal_distribution<float> Noise;
  for (size_t I = 0; I < Count; ++I) {
    Texts.Label.push_back(I % 3);
    float Shift = static_cast<float>(I % 3);
    for (float Each : {Shift + 2 * Noise(Random), 7.0f, 5 - Shift + Noise(Random),
                       Shift * Shift + 0.5f * Noise(Random)})
      Texts.Vectors.push_back(Each);
  }
  return Texts;
}

/// Solves `A x = b` by elimination.
static std::vector<double> solve(std::vector<std::vector<double>> A, std::vector<double> b) {
  for (size_t I = 0; I < A.size(); ++I)
    for (size_t Row = 0; Row < A.size(); ++Row)
      if (double Factor = Row == I ? 0 : A[Row][I] / A[I][I]; Factor != 0) {
        for (size_t Column = 0; Column < A.size(); ++Column)
          A[Row][Column] -= Factor * A[I][Column];
        b[Row] -= Factor * b[I];
      }
  for (size_t I = 0; I < A.size(); ++I)
    b[I] /= A[I][I];
  return b;
}

/// Scores of all texts by ridge regression on the first `Features` features, done afresh.
static std::vector<double> ridge(const LabelledVectors &Texts, size_t Features, size_t Label) {
  size_t Count = Texts.size();
  std::vector<std::vector<double>> X(Count, std::vector<double>(Features));
  for (size_t F = 0; F < Features; ++F) {
    double Mean = 0, Square = 0;
    for (size_t I = 0; I < Count; ++I)
      Mean += Texts.of(I)[F] / double(Count);
    for (size_t I = 0; I < Count; ++I)
      Square += std::pow(Texts.of(I)[F] - Mean, 2) / double(Count);
    for (size_t I = 0; I < Count; ++I)
      X[I][F] = Square > 1e-9 ? (Texts.of(I)[F] - Mean) / std::sqrt(Square) : 0;
  }
  std::vector<std::vector<double>> A(Features, std::vector<double>(Features));
  std::vector<double> b(Features), Scores;
  for (size_t F = 0; F < Features; ++F) {
    A[F][F] = 0.1 * double(Count);
    for (size_t I = 0; I < Count; ++I) {
      b[F] += X[I][F] * (Texts.Label[I] == Label);
      for (size_t G = 0; G < Features; ++G)
        A[F][G] += X[I][F] * X[I][G];
    }
  }
  std::vector<double> Weights = solve(A, b);
  double Share = double(std::ranges::count(Texts.Label, Label)) / double(Count);
  for (size_t I = 0; I < Count; ++I) {
    Scores.push_back(Share);
    for (size_t F = 0; F < Features; ++F)
      Scores.back() += X[I][F] * Weights[F];
  }
  return Scores;
}

// One factorisation gives what each depth would get alone; 600 texts take two blocks.
TEST(FitHeads, EachDepthIsTheRidgeOfItsFeatures) {
  LabelledVectors Texts = makeVectors(600);
  std::vector<ExitHead> Heads = fitHeads(Texts, 3);
  ASSERT_EQ(Heads.size(), 2u);
  for (const ExitHead &Head : Heads) {
    ASSERT_EQ(Head.Weights.size(), size_t(Head.Depth + 1) * 2 * 3);
    for (size_t Label = 0; Label < 3; ++Label) {
      std::vector<double> Expected = ridge(Texts, size_t(Head.Depth + 1) * 2, Label);
      for (size_t I = 0; I < Texts.size(); ++I) {
        float Scores[3];
        Head.score(Texts.of(I), Scores);
        ASSERT_NEAR(Scores[Label], Expected[I], 1e-4);
      }
    }
  }
}

TEST(FitHeads, TemperaturesMakeTrueLabelsLikeliest) {
  LabelledVectors Texts = makeVectors(300);
  std::vector<ExitHead> Heads = fitHeads(Texts, 3);
  fitTemperatures(Heads, Texts);
  for (ExitHead &Head : Heads) {
    auto Loss = [&](float Temperature) {
      double Sum = 0;
      for (size_t I = 0; I < Texts.size(); ++I) {
        float Scores[3];
        Head.score(Texts.of(I), Scores);
        double Total = 0;
        for (float Each : Scores)
          Total += std::exp(Each / Temperature);
        Sum += std::log(Total) - Scores[Texts.Label[I]] / Temperature;
      }
      return Sum;
    };
    double Least = Loss(Head.Temperature);
    EXPECT_LT(Least, Loss(Head.Temperature * 1.02f));
    EXPECT_LT(Least, Loss(Head.Temperature / 1.02f));
  }
}

//===----------------------------------------------------------------------===//
// Exits
//===----------------------------------------------------------------------===//

/// One text: the margins at each depth, and whether its label is found there.
struct Told {
  std::vector<float> Margins;
  std::vector<bool> Right;
};

static JudgedTexts judged(const std::vector<Told> &Texts) {
  JudgedTexts Result;
  Result.Depths = Texts.front().Margins.size();
  for (const Told &Each : Texts) {
    Result.Label.push_back(0);
    for (size_t D = 0; D < Result.Depths; ++D)
      Result.Said.push_back({Each.Right[D] ? size_t(0) : size_t(1), 1, Each.Margins[D]});
  }
  return Result;
}

TEST(ExitRule, ATextLeavesAtTheFirstExitThatIsSure) {
  JudgedTexts Texts = judged({{{0.2f, 0.6f, 0.9f}, {true, false, true}},
                              {{0.5f, 0.1f, 0.3f}, {true, true, true}},
                              {{0.1f, 0.4f, 0.0f}, {false, false, false}}});
  MarginExits Choice = {0, 0.5f};
  EXPECT_EQ(Choice.leave(Texts, 0), 1u);
  EXPECT_EQ(Choice.leave(Texts, 1), 0u); // The threshold itself is enough.
  EXPECT_EQ(Choice.leave(Texts, 2), 2u);
  EXPECT_EQ((MarginExits{1, 0.5f}).leave(Texts, 1), 2u); // No exit at 0.
  std::vector<float> Work = {1, 2, 3, /**/ 1, 2, 3, /**/ 2, 4, 6};
  ExitOutcome Found = evaluate(Choice, Texts, Work);
  EXPECT_EQ(Found.Right, 1);
  EXPECT_EQ(Found.RightWhole, 2);
  EXPECT_NEAR(Found.loss(), 100.0 / 3, 1e-9);
  EXPECT_NEAR(Found.MeanDepth, 1, 1e-9);
  EXPECT_NEAR(Found.gain(), 12.0 / 9 - 1, 1e-6);
  EXPECT_EQ(Found.LeftAt, (std::vector<int64_t>{1, 1, 1}));
  // One loss of 1 among three: the variance is 1/3 - 1/9.  Two first exits share the doubt of 5 %.
  EXPECT_NEAR(Found.bound(), 100.0 / 3 + 195.9964 * std::sqrt(2.0 / 9) / std::sqrt(3.0), 1e-3);
  Found.LeftAt = {3, 0, 0, 0, 0, 0, 0};
  EXPECT_NEAR(Found.bound(), 100.0 / 3 + 239.3980 * std::sqrt(2.0 / 9) / std::sqrt(3.0), 1e-3);
}

/// 1000 texts that are surer the likelier they are right: those above 0.6 always are.
static JudgedTexts makeJudged() {
  std::vector<Told> Texts;
  for (int I = 0; I < 1000; ++I) {
    float Margin = static_cast<float>(I) / 1000;
    Texts.push_back({{Margin, 1}, {Margin >= 0.6f, true}});
  }
  return judged(Texts);
}

TEST(ExitRule, TheThresholdIsTheLeastThatKeepsTheTarget) {
  JudgedTexts Texts = makeJudged();
  std::vector<MarginExits> Found = ExitRule{.Target = 0.5}.choices(Texts);
  ASSERT_EQ(Found.size(), 1u);
  EXPECT_LE(evaluate(Found[0], Texts).bound(), 0.5);
  EXPECT_GT(evaluate({0, Found[0].Threshold - 0.005f}, Texts).bound(), 0.5);
  EXPECT_NEAR(Found[0].Threshold, 0.6, 0.011);
  EXPECT_NEAR((ExitRule{.Target = 20}.choices(Texts)[0].Threshold), 0.42, 0.02);
}

TEST(ExitRule, ExitsThatLoseAreNotTaken) {
  JudgedTexts Texts = makeJudged();
  for (size_t I = 0; I < Texts.size(); ++I)
    Texts.Said[2 * I].Label = 1;
  std::vector<MarginExits> Found = ExitRule().choices(Texts);
  EXPECT_EQ(evaluate(Found[0], Texts).LeftAt[0], 0);
}

TEST(CountWork, IsMultiplyAddsOfLayersPoolingAndHeads) {
  Manifest Program;
  Program.Model.Embedding = 4;
  Program.Model.Layers = 2;
  auto Add = [&](std::vector<int64_t> Shape, WeightLayout Layout, std::vector<int64_t> Layers) {
    ManifestWeight &Weight = Program.Weights.emplace_back();
    Weight.Shape = std::move(Shape);
    Weight.Layout = Layout;
    Weight.Layers = std::move(Layers);
  };
  Add({100, 4}, WeightLayout::Panel32, {}); // Embeddings are copied.
  Add({8}, WeightLayout::Vector, {0, 1});
  Add({8, 4}, WeightLayout::Panel32, {0, 1});
  Add({2, 4}, WeightLayout::Panel32, {1});
  // Three tokens: 12 for pooling, 8 for a head of each vector, 72 for attention.
  EXPECT_EQ(countWork(Program, 3, 2),
            (std::vector<float>{12 + 8, 20 + 96 + 72 + 12 + 16, 216 + 120 + 72 + 12 + 24}));
}

TEST(ExitRule, WhatDoesNotPayIsRefused) {
  ExitRule Rule;
  ExitOutcome Slow, Fast;
  Slow.Work = Fast.Work = 1;
  Slow.WholeWork = 1.04;
  Fast.WholeWork = 1.06;
  EXPECT_EQ(Rule.refusal(Slow), "gain below 5 %");
  EXPECT_EQ(Rule.refusal(Fast), "");
}

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

TEST(WordBaseline, LearnsWordsAndPairs) {
  LabelledTexts Train, Test;
  Train.Labels = Test.Labels = {"cold", "warm"};
  auto Add = [](LabelledTexts &To, size_t Label, std::string Text) {
    To.Label.push_back(Label);
    To.Texts.push_back(std::move(Text));
  };
  for (int I = 0; I < 20; ++I) {
    Add(Train, 0, "Ice, and snow no. " + std::to_string(I));
    Add(Train, 1, "sun AND sand no. " + std::to_string(I));
    // Only the order tells these apart.
    Add(Train, 0, "very not");
    Add(Train, 1, "not very");
  }
  Add(Test, 0, "SNOW");
  Add(Test, 1, "the sand?");
  Add(Test, 0, "very not");
  Add(Test, 1, "not very");
  EXPECT_EQ(countRightByWords(Train, Test), 4);
  Test.Label.assign({1, 0, 1, 0});
  EXPECT_EQ(countRightByWords(Train, Test), 0);
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static std::string fileText(const std::string &Heads, const std::string &Rest = "") {
  return R"({"lathe_calibration": 1, "model": {"hash": "ab"}, "classifier": {
    "labels": ["a", "b"], "pooling": "mean", "max_tokens": 16, "threshold": 0.25,
    "refused": "", "heads": [)" +
         Heads + "]}" + Rest + "}";
}

static const std::string First =
    R"({"depth": 1, "temperature": 0.5, "bias": "1 -2", "weights": ["1 2 3 4", "5 6 7 8.5"]})";
static const std::string Second =
    R"({"depth": 2, "temperature": 2, "bias": "0 0", "weights": ["1 2 3 4 5 6", "7 8 9 1 2 3"]})";

TEST(ClassifierFile, IsReadAsItIsWritten) {
  Diagnostics Diags;
  auto File = ClassifierFile::parse(fileText(First + "," + Second), "x.cal", Diags);
  ASSERT_TRUE(File) << Diags.all().front().Message;
  EXPECT_EQ(File->ModelHash, "ab");
  EXPECT_EQ(File->Labels, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(File->MaxTokens, 16);
  EXPECT_EQ(File->Threshold, 0.25f);
  EXPECT_EQ(File->firstExit(), 1);
  EXPECT_EQ(File->Heads[0].Weights, (std::vector<float>{1, 5, 2, 6, 3, 7, 4, 8.5f}));
  EXPECT_EQ(File->Heads[0].Bias, (std::vector<float>{1, -2}));
  EXPECT_EQ(File->Heads[1].Temperature, 2);
  EXPECT_EQ(numbersText({0.1f, -3, 1e-20f}), "0.1 -3 1e-20");
}

TEST(ClassifierFile, FaultsAreNamed) {
  auto Fault = [](const std::string &Text) {
    Diagnostics Diags;
    EXPECT_FALSE(ClassifierFile::parse(Text, "x.cal", Diags));
    EXPECT_EQ(Diags.all().front().Number, 843u);
    return Diags.all().front().Message;
  };
  auto With = [](std::string Text, const std::string &From, const std::string &To) {
    return Text.replace(Text.find(From), From.size(), To);
  };
  std::string Good = fileText(First + "," + Second);
  EXPECT_EQ(Fault("{"), "not a JSON object");
  EXPECT_EQ(Fault("[1]"), "not a JSON object");
  EXPECT_EQ(Fault(With(Good, "\"lathe_calibration\": 1", "\"lathe_calibration\": 2")),
            "'lathe_calibration' is missing or another version, expected 1");
  EXPECT_EQ(Fault(With(Good, "\"ab\"", "7")), "model.hash: expected a text");
  EXPECT_EQ(Fault(With(Good, "classifier", "points")),
            "'classifier' is missing: the file is for another task");
  EXPECT_EQ(Fault(With(Good, "[\"a\", \"b\"]", "[\"a\"]")),
            "classifier.labels: expected two texts or more");
  EXPECT_EQ(Fault(With(Good, "mean", "max")), "classifier.pooling: expected 'mean' or 'cls'");
  EXPECT_EQ(Fault(With(Good, "16", "0")).substr(0, 11), "classifier:");
  EXPECT_EQ(Fault(fileText("")), "classifier.heads: expected an array of at least 1");
  EXPECT_EQ(Fault(fileText(First + "," + First)), "classifier.heads[1].depth: expected 2");
  EXPECT_EQ(Fault(With(Good, "0.5", "0")).substr(0, 19), "classifier.heads[0]");
  EXPECT_EQ(Fault(With(Good, "1 -2", "1 -2 3")),
            "classifier.heads[0].bias: expected a number for each label");
  for (const char *Bad : {"5 6 7", "5 6  7 8", "5 6 7 x", "5 6 7 inf", " 5 6 7 8", "5 6 7 8 "})
    EXPECT_EQ(Fault(With(Good, "5 6 7 8.5", Bad)),
              "classifier.heads[0].weights[1]: expected 4 numbers with a blank between");
  EXPECT_EQ(Fault(With(With(Good, "1 2 3 4 5 6", "1 2 3 4 5"), "7 8 9 1 2 3", "7 8 9 1 2")),
            "classifier.heads[1].weights: expected as many numbers a layer as the first head has");
}
