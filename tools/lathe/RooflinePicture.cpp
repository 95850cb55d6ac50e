//===- RooflinePicture.cpp - Kernels under the machine's roofline -----------===//
//
// The roofline model of Williams, Waterman and Patterson (2009): what a kernel can
// reach is the lesser of the peak and of memory's speed times operations a byte.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Pictures.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <array>
#include <cmath>

using namespace lathe;
using namespace lathe::cli;

namespace {

constexpr double PictureWidth = 960, PictureHeight = 560;
constexpr double Left = 70, Right = 230, Top = 46, Bottom = 56;

/// Both axes are logarithmic.
class RooflinePlot {
public:
  explicit RooflinePlot(const KernelTimes &Times)
      : Times(Times), Picture(PictureWidth, PictureHeight) {}
  SvgPicture draw();

private:
  void chooseRange();
  void drawAxes();
  void drawRoof();
  void drawPoints();
  double x(double Intensity) const {
    return Left + std::log10(Intensity / LeastX) / std::log10(MostX / LeastX) *
                      (PictureWidth - Left - Right);
  }
  double y(double Speed) const {
    return PictureHeight - Bottom -
           std::log10(Speed / LeastY) / std::log10(MostY / LeastY) * (PictureHeight - Top - Bottom);
  }

  const KernelTimes &Times;
  SvgPicture Picture;
  double LeastX = 0.1, MostX = 1000, LeastY = 0.1, MostY = 1000;
};

} // namespace

/// Calls Use(entry, phase, case, speed in operations per second) where both are above 0.
template <typename Callable> static void forEachPoint(const KernelTimes &Times, Callable Use) {
  for (const ScheduleEntry &Entry : Times.Plan.Entries)
    for (const SchedulePhase &Phase : Entry.Phases)
      for (const ScheduleCase &Case : Phase.Cases)
        if (Case.Measured && Case.Measured->Median > 0 && Case.operations() > 0 && Case.bytes() > 0)
          Use(Entry, Phase, Case,
              static_cast<double>(Case.operations()) / Case.Measured->Median * 1e6);
}

static double intensityOf(const ScheduleCase &Case) {
  return static_cast<double>(Case.operations()) / static_cast<double>(Case.bytes());
}

void RooflinePlot::chooseRange() {
  double LowX = 1, HighX = 100, LowY = Times.Machine.F32, HighY = Times.Machine.Int8;
  forEachPoint(Times, [&](auto &, auto &, const ScheduleCase &Case, double Speed) {
    LowX = std::min(LowX, intensityOf(Case));
    HighX = std::max(HighX, intensityOf(Case));
    LowY = std::min(LowY, Speed);
    // Data in the caches, or a limit measured while the machine was busy.
    HighY = std::max(HighY, Speed);
  });
  LeastX = std::pow(10, std::floor(std::log10(LowX)));
  MostX = std::pow(10, std::ceil(std::log10(HighX) + 0.1));
  LeastY = std::pow(10, std::floor(std::log10(LowY)));
  MostY = std::pow(10, std::ceil(std::log10(HighY) + 0.1));
}

static std::string powerText(double Value) {
  return Value >= 1 ? formatFixed(Value, 0)
                    : formatFixed(Value, static_cast<int>(-std::floor(std::log10(Value))));
}

void RooflinePlot::drawAxes() {
  double Bottommost = PictureHeight - Bottom;
  for (double At = LeastX; At <= MostX * 1.01; At *= 10) {
    Picture.line(x(At), Top, x(At), Bottommost, "grid");
    Picture.text(x(At), Bottommost + 18, powerText(At), "soft", "middle");
  }
  for (double At = LeastY; At <= MostY * 1.01; At *= 10) {
    Picture.line(Left, y(At), PictureWidth - Right, y(At), "grid");
    Picture.text(Left - 8, y(At) + 4, powerText(At / 1e9), "soft", "end");
  }
  Picture.text((Left + PictureWidth - Right) / 2, PictureHeight - 12,
               "operations per byte read or written", "soft", "middle");
  Picture.text(Left, Top - 10, "Gop/s", "soft", "end");
  Picture.text(Left + 10, 24,
               "Every kernel alone, " + std::to_string(Times.Machine.Workers) +
                   " workers, under the limits measured in the same run",
               "head");
}

void RooflinePlot::drawRoof() {
  const MachineNumbers &Machine = Times.Machine;
  double Read = Times.Plan.Entries.front().Steps.front().ReadBytesPerSecond;
  struct Ceiling {
    double Peak;
    const char *Name;
  };
  std::vector<Ceiling> Ceilings = {{Machine.Int8, "int8"}, {Machine.F32, "f32"}};
  if (std::abs(Machine.BF16 - Machine.F32) > 0.02 * Machine.F32)
    Ceilings.push_back({Machine.BF16, "bf16"});
  for (const Ceiling &Each : Ceilings) {
    double Ridge = std::clamp(Each.Peak / Read, LeastX, MostX);
    Picture.line(x(Ridge), y(Each.Peak), x(MostX), y(Each.Peak), "roof");
    Picture.text(x(MostX) + 6, y(Each.Peak) + 4,
                 std::string(Each.Name) + " " + formatFixed(Each.Peak / 1e9, 0) + " Gop/s", "");
  }
  double From = std::max(LeastX, LeastY / Read), To = std::min(MostX, Machine.Int8 / Read);
  Picture.line(x(From), y(From * Read), x(To), y(To * Read), "roof");
  double Middle = std::sqrt(From * To);
  Picture.text(x(Middle) - 10, y(Middle * Read) - 8, "read " + formatFixed(Read / 1e9, 1) + " GB/s",
               "", "end");
}

void RooflinePlot::drawPoints() {
  std::vector<std::string> Legend;
  forEachPoint(Times, [&](const ScheduleEntry &Entry, const SchedulePhase &Phase,
                          const ScheduleCase &Case, double Speed) {
    std::string Name = Entry.Name + ", rows " + std::to_string(Case.Rows);
    auto At = std::find(Legend.begin(), Legend.end(), Name);
    size_t Index = static_cast<size_t>(At - Legend.begin());
    if (At == Legend.end())
      Legend.push_back(Name);
    std::string Title = Name + ": " + Phase.Name + ", " + formatFixed(Case.Measured->Median, 2) +
                        " us, " + formatFixed(100 * Case.LimitUs / Case.Measured->Median, 0) +
                        " % of the limit";
    Picture.circle(x(intensityOf(Case)), y(Speed), 5, "buffer k" + std::to_string(Index % 6),
                   Title);
  });
  double X = PictureWidth - Right + 24, Y = Top + 150;
  for (size_t I = 0; I < Legend.size(); ++I, Y += 20) {
    Picture.circle(X, Y - 4, 5, "buffer k" + std::to_string(I % 6));
    Picture.text(X + 12, Y, Legend[I], "");
  }
}

SvgPicture RooflinePlot::draw() {
  chooseRange();
  drawAxes();
  drawRoof();
  drawPoints();
  return Picture;
}

SvgPicture cli::drawRoofline(const KernelTimes &Times) { return RooflinePlot(Times).draw(); }
