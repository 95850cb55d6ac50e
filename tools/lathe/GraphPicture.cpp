//===- GraphPicture.cpp - Ops, fused into phases ----------------------------===//
//
// A phase is a band; inside of it an op stands to the right of what it reads.
// What goes from phase to phase through a buffer is drawn from band to band.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Pictures.h"

#include <algorithm>
#include <map>

using namespace lathe;
using namespace lathe::cli;

namespace {

constexpr double BoxWidth = 132, BoxHeight = 36, GapX = 26, GapY = 8;
constexpr double Margin = 34, BandGap = 22, HeadHeight = 26;

struct Spot {
  double X = 0, Y = 0; ///< Upper left corner of the op's box.
};

class GraphPlot {
public:
  explicit GraphPlot(const ScheduleEntry &Entry) : Entry(Entry), Picture(0, 0) {}
  SvgPicture draw();

private:
  void placeOps();
  void drawFrames();
  void drawFlows();
  void drawPhase(size_t Index);
  void drawOp(const ScheduleOp &Op, Spot At);

  const ScheduleEntry &Entry;
  SvgPicture Picture;
  std::vector<std::vector<Spot>> Spots; ///< Per phase and op.
  std::vector<double> Tops, Heights;    ///< Of the bands.
  double Width = 0, Height = 0;
};

} // namespace

void GraphPlot::placeOps() {
  double Y = 40;
  size_t Columns = 1;
  for (const SchedulePhase &Phase : Entry.Phases) {
    std::vector<size_t> Column(Phase.Ops.size());
    std::map<size_t, size_t> Taken;
    std::vector<Spot> Own;
    size_t Rows = 1;
    for (size_t I = 0; I < Phase.Ops.size(); ++I) {
      for (int64_t Input : Phase.Ops[I].Inputs)
        if (Input >= 0 && static_cast<size_t>(Input) < I)
          Column[I] = std::max(Column[I], Column[static_cast<size_t>(Input)] + 1);
      size_t Row = Taken[Column[I]]++;
      Rows = std::max(Rows, Row + 1);
      Columns = std::max(Columns, Column[I] + 1);
      Own.push_back({Margin + 14 + static_cast<double>(Column[I]) * (BoxWidth + GapX),
                     Y + HeadHeight + static_cast<double>(Row) * (BoxHeight + GapY)});
    }
    Spots.push_back(std::move(Own));
    Tops.push_back(Y);
    Heights.push_back(HeadHeight + static_cast<double>(Rows) * (BoxHeight + GapY) + 6);
    Y += Heights.back() + BandGap;
  }
  Width = 2 * Margin + 28 + static_cast<double>(Columns) * (BoxWidth + GapX) - GapX;
  Height = Y + 4;
}

void GraphPlot::drawFrames() {
  for (size_t First = 0; First < Entry.Phases.size();) {
    const std::vector<int64_t> &Layers = Entry.Phases[First].Layers;
    size_t Last = First;
    while (Last + 1 < Entry.Phases.size() && Entry.Phases[Last + 1].Layers == Layers)
      ++Last;
    if (!Layers.empty()) {
      double Top = Tops[First] - 16;
      Picture.rect(Margin - 16, Top, Width - 2 * Margin + 32, Tops[Last] + Heights[Last] + 8 - Top,
                   "frame", {}, 10);
      Picture.text(Margin - 8, Top + 11,
                   std::to_string(Layers.size()) + (Layers.size() == 1 ? " layer" : " layers"),
                   "soft");
    }
    First = Last + 1;
  }
}

/// Only what flows down: a value for the next layer comes back to the top.
void GraphPlot::drawFlows() {
  std::map<std::string, Spot> Writers;
  for (size_t P = 0; P < Entry.Phases.size(); ++P) {
    const std::vector<ScheduleOp> &Ops = Entry.Phases[P].Ops;
    for (size_t I = 0; I < Ops.size(); ++I)
      for (const std::string &Memory : Ops[I].Reads)
        if (auto From = Writers.find(Memory); From != Writers.end())
          Picture.drop(From->second.X + BoxWidth / 2, From->second.Y + BoxHeight,
                       Spots[P][I].X + BoxWidth / 2, Spots[P][I].Y, "flow");
    for (size_t I = 0; I < Ops.size(); ++I)
      for (const std::string &Memory : Ops[I].Writes)
        Writers[Memory] = Spots[P][I];
  }
}

void GraphPlot::drawOp(const ScheduleOp &Op, Spot At) {
  bool Heart = Op.Op == "linear" || Op.Op == "attention";
  std::string Second = Op.Weights.empty() ? Op.Type : Op.Weights.front();
  std::string Title = Op.Op + ": " + Op.Type;
  for (const std::string &Weight : Op.Weights)
    Title += ", @" + Weight;
  // The letters that fit into the box; the title has all.
  constexpr size_t Most = 22;
  if (Second.size() > Most)
    Second = Second.substr(0, Most - 2) + "..";
  Picture.rect(At.X, At.Y, BoxWidth, BoxHeight, Heart ? "heart" : "op", Title, 5);
  Picture.text(At.X + BoxWidth / 2, At.Y + 15, Op.Op, Heart ? "heart-ink" : "", "middle");
  Picture.text(At.X + BoxWidth / 2, At.Y + 29, Second, Heart ? "small heart-ink" : "small soft",
               "middle");
}

void GraphPlot::drawPhase(size_t Index) {
  const SchedulePhase &Phase = Entry.Phases[Index];
  Picture.text(Margin + 12, Tops[Index] + 17,
               Phase.Name + "  over " + Phase.Axis + (Phase.Barrier ? ", behind a barrier" : ""),
               "");
  for (size_t I = 0; I < Phase.Ops.size(); ++I)
    for (int64_t Input : Phase.Ops[I].Inputs)
      if (Input >= 0 && static_cast<size_t>(Input) < I) {
        Spot From = Spots[Index][static_cast<size_t>(Input)], To = Spots[Index][I];
        Picture.line(From.X + BoxWidth, From.Y + BoxHeight / 2, To.X, To.Y + BoxHeight / 2, "edge");
      }
  for (size_t I = 0; I < Phase.Ops.size(); ++I)
    drawOp(Phase.Ops[I], Spots[Index][I]);
}

SvgPicture GraphPlot::draw() {
  placeOps();
  Picture = SvgPicture(Width, Height);
  drawFrames();
  for (size_t I = 0; I < Entry.Phases.size(); ++I)
    Picture.rect(Margin, Tops[I], Width - 2 * Margin, Heights[I], "group", {}, 7);
  drawFlows();
  for (size_t I = 0; I < Entry.Phases.size(); ++I)
    drawPhase(I);
  return Picture;
}

SvgPicture cli::drawGraph(const ScheduleEntry &Entry) { return GraphPlot(Entry).draw(); }
