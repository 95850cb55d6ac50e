//===- MemoryPicture.cpp - The arena over the phases of an entry ------------===//

#include "tools/lathe/Pictures.h"

#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

SvgPicture cli::drawMemory(const ScheduleEntry &Entry) {
  constexpr double Left = 84, Top = 30, PlotHeight = 300, KeyLine = 17;
  auto Phases = static_cast<double>(std::max<size_t>(1, Entry.Phases.size()));
  double Step = std::clamp(820 / Phases, 22.0, 150.0), PlotWidth = Step * Phases;
  double Width = std::max(560.0, Left + PlotWidth + 130);
  auto KeyColumns = static_cast<size_t>(std::max(1.0, (Width - 40) / 300));
  size_t KeyLines = (Entry.Phases.size() + KeyColumns - 1) / KeyColumns;
  SvgPicture Picture(Width, Top + PlotHeight + 44 + static_cast<double>(KeyLines) * KeyLine);
  auto Most =
      static_cast<double>(std::max<int64_t>(1, std::max(Entry.ArenaBytes, Entry.ArenaBound)));
  auto Y = [&](int64_t Bytes) {
    return Top + PlotHeight * (1 - static_cast<double>(Bytes) / Most);
  };

  for (int I = 0; I <= 4; ++I) {
    auto At = static_cast<int64_t>(Most * I / 4);
    Picture.line(Left, Y(At), Left + PlotWidth, Y(At), "grid");
    Picture.text(Left - 8, Y(At) + 4, formatBytes(static_cast<uint64_t>(At)), "soft", "end");
  }
  for (size_t I = 0; I < Entry.Buffers.size(); ++I) {
    const ScheduleBuffer &Each = Entry.Buffers[I];
    double X = Left + Step * static_cast<double>(Each.First);
    double W = Step * static_cast<double>(Each.Last - Each.First + 1);
    double H = std::max(1.0, Y(Each.Offset) - Y(Each.Offset + Each.Bytes));
    Picture.rect(X, Y(Each.Offset) - H, W, H, "buffer k" + std::to_string(I % 6),
                 "%" + Each.Name + " " + Each.Type + ", " +
                     formatBytes(static_cast<uint64_t>(Each.Bytes)) + " at " +
                     std::to_string(Each.Offset),
                 2);
    if (H > 15 && W > 7.0 * static_cast<double>(Each.Type.size()))
      Picture.text(X + W / 2, Y(Each.Offset) - H / 2 + 4, Each.Type, "heart-ink", "middle");
  }
  Picture.line(Left, Y(Entry.ArenaBound), Left + PlotWidth, Y(Entry.ArenaBound), "bound");
  Picture.text(Left + PlotWidth + 8, Y(Entry.ArenaBound) + 4, "lower bound", "soft");
  Picture.line(Left, Top, Left, Top + PlotHeight, "axis");
  Picture.line(Left, Top + PlotHeight, Left + PlotWidth, Top + PlotHeight, "axis");
  for (size_t I = 0; I < Entry.Phases.size(); ++I) {
    auto At = static_cast<double>(I);
    Picture.text(Left + Step * (At + 0.5), Top + PlotHeight + 16, std::to_string(I), "soft",
                 "middle");
    Picture.text(24 + 300.0 * static_cast<double>(I % KeyColumns),
                 Top + PlotHeight + 42 + KeyLine * static_cast<double>(I / KeyColumns),
                 std::to_string(I) + "  " + Entry.Phases[I].Name, "soft");
  }
  return Picture;
}
