//===- ClassifierPicture.cpp - Accuracy against latency ---------------------===//

#include "tools/lathe/ClassifierReport.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <cmath>

using namespace lathe;
using namespace lathe::cli;

namespace {

constexpr double PictureWidth = 860, PictureHeight = 480;
constexpr double Left = 70, Right = 220, Top = 46, Bottom = 56;

class ClassifierPlot {
public:
  explicit ClassifierPlot(const CalibratedClassifier &Found)
      : Found(Found), Picture(PictureWidth, PictureHeight) {}
  SvgPicture draw();

private:
  void chooseRange();
  void drawAxes();
  void drawBaselines();
  void drawDepths();
  void drawPoints();
  double accuracy(int64_t Of) const { return 100 * double(Of) / double(Found.TestTexts); }
  double x(double Seconds) const {
    return Left + 1e3 * Seconds / MostX * (PictureWidth - Left - Right);
  }
  double y(double Percent) const {
    return PictureHeight - Bottom -
           (Percent - LeastY) / (MostY - LeastY) * (PictureHeight - Top - Bottom);
  }

  const CalibratedClassifier &Found;
  SvgPicture Picture;
  double MostX = 1, LeastY = 0, MostY = 100;
};

} // namespace

/// The least of 1, 2 or 5 times a power of ten that is at least `Least`.
static double roundStep(double Least) {
  double Power = std::pow(10, std::floor(std::log10(Least)));
  for (double Factor : {1.0, 2.0, 5.0})
    if (Factor * Power >= Least)
      return Factor * Power;
  return 10 * Power;
}

void ClassifierPlot::chooseRange() {
  MostX = 1e3 * *std::ranges::max_element(Found.SecondsToDepth) * 1.08;
  auto [Low, High] = std::ranges::minmax(Found.RightAtDepth);
  LeastY = std::floor(accuracy(std::min(Low, Found.RightByWords))) - 1;
  MostY = std::ceil(accuracy(std::max(High, Found.RightByWords))) + 1;
}

void ClassifierPlot::drawAxes() {
  double Bottommost = PictureHeight - Bottom, Rightmost = PictureWidth - Right;
  double StepX = roundStep(MostX / 8), StepY = roundStep((MostY - LeastY) / 8);
  for (double At = 0; At <= MostX; At += StepX) {
    Picture.line(x(At / 1e3), Top, x(At / 1e3), Bottommost, "grid");
    Picture.text(x(At / 1e3), Bottommost + 18, formatFixed(At, StepX < 1 ? 2 : 0), "soft",
                 "middle");
  }
  for (double At = std::ceil(LeastY / StepY) * StepY; At <= MostY; At += StepY) {
    Picture.line(Left, y(At), Rightmost, y(At), "grid");
    Picture.text(Left - 8, y(At) + 4, formatFixed(At, StepY < 1 ? 1 : 0), "soft", "end");
  }
  Picture.text((Left + Rightmost) / 2, PictureHeight - 12, "ms a text, mean", "soft", "middle");
  Picture.text(Left, Top - 10, "accuracy, %", "soft", "middle");
  Picture.text(Left + 60, 24,
               "Accuracy against latency on " + std::to_string(Found.TestTexts) + " texts", "head");
}

void ClassifierPlot::drawBaselines() {
  struct Baseline {
    const char *Name;
    double Level;
    double Below; ///< Pixels that the name stands below the line.
  };
  double Words = accuracy(Found.RightByWords), Whole = accuracy(Found.RightAtDepth.back());
  for (const Baseline &Each : {Baseline{"bag of words", Words, Words < Whole ? 14.0 : -4.0},
                               Baseline{"no exits", Whole, Words < Whole ? -4.0 : 14.0}}) {
    Picture.line(Left, y(Each.Level), PictureWidth - Right, y(Each.Level), "roof");
    Picture.text(PictureWidth - Right + 6, y(Each.Level) + Each.Below,
                 std::string(Each.Name) + " " + formatFixed(Each.Level, 1) + " %", "");
  }
}

/// The heads of fixed depths, from depth to depth.
void ClassifierPlot::drawDepths() {
  for (size_t Depth = 0; Depth < Found.RightAtDepth.size(); ++Depth) {
    double X = x(Found.SecondsToDepth[Depth]), Y = y(accuracy(Found.RightAtDepth[Depth]));
    if (Depth != 0)
      Picture.line(x(Found.SecondsToDepth[Depth - 1]), y(accuracy(Found.RightAtDepth[Depth - 1])),
                   X, Y, "grid");
    Picture.circle(X, Y, 5, "buffer k0",
                   "all texts leave at " + std::to_string(Depth) + ": " +
                       formatFixed(accuracy(Found.RightAtDepth[Depth]), 1) + " %");
    Picture.text(X, Y + 18, std::to_string(Depth), "soft", "middle");
  }
}

void ClassifierPlot::drawPoints() {
  for (size_t I = 0; I < Found.Points.size(); ++I) {
    const ExitPoint &Point = Found.Points[I];
    bool IsChosen = Found.Chosen == I;
    Picture.circle(x(Point.Timed.Work), y(100 * Point.Test.accuracy()), IsChosen ? 8 : 5,
                   IsChosen ? "buffer k2" : "buffer k1",
                   "exits from " + std::to_string(Point.Choice.FirstExit) +
                       " on: " + formatFixed(1e3 * Point.Timed.Work, 2) + " ms, " +
                       formatFixed(100 * Point.Test.accuracy(), 1) + " %");
  }
  double X = PictureWidth - Right + 24, Y = PictureHeight - Bottom - 60;
  for (auto [Class, Words] : {std::pair("buffer k0", "all leave at one depth"),
                              std::pair("buffer k1", "exits from a depth on"),
                              std::pair("buffer k2", "the exits chosen")}) {
    Picture.circle(X, Y - 4, 5, Class);
    Picture.text(X + 12, Y, Words, "");
    Y += 20;
  }
}

SvgPicture ClassifierPlot::draw() {
  chooseRange();
  drawAxes();
  drawBaselines();
  drawDepths();
  drawPoints();
  return Picture;
}

SvgPicture cli::drawClassifier(const CalibratedClassifier &Found) {
  return ClassifierPlot(Found).draw();
}
