//===- HtmlPage.cpp - A model on one page -----------------------------------===//
//
// Everything that comes from the model file goes through escapeMarkup.  The page
// forbids itself to load anything.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Pictures.h"

#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

static constexpr std::string_view PageStyle = R"(
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 24px 60px}
h1{font-size:26px;margin:0 0 2px}h2{font-size:20px;margin:44px 0 4px}h3{font-size:15px;margin:26px 0 6px}
p{margin:4px 0 12px;color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:2px 28px;margin:16px 0}
.facts div{display:flex;justify-content:space-between;gap:12px;border-bottom:1px solid var(--line);padding:3px 0}
.facts b{font-weight:400;color:var(--soft)}.facts span{text-align:right;overflow-wrap:anywhere}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:8px;margin:8px 0 18px}
.scroll svg{display:block}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th{text-align:right;font-weight:500;color:var(--soft);border-bottom:1px solid var(--line);padding:4px 8px}
td{text-align:right;border-bottom:1px solid var(--line);padding:4px 8px}
th:first-child,td:first-child,td.bars,th.bars{text-align:left}
td.bars{min-width:210px}
.bar{height:7px;border-radius:2px;margin:2px 0;min-width:1px}
.limit{background:var(--soft)}.predicted{background:var(--c0)}.measured{background:var(--c1)}
.key i{display:inline-block;width:22px;height:8px;border-radius:2px;margin:0 6px 0 14px}
)";

static std::string element(std::string_view Tag, std::string_view Text) {
  return "<" + std::string(Tag) + ">" + escapeMarkup(Text) + "</" + std::string(Tag) + ">\n";
}

static std::string fact(std::string_view Name, std::string_view Value) {
  return "<div><b>" + escapeMarkup(Name) + "</b><span>" + escapeMarkup(Value) + "</span></div>\n";
}

static std::string factsSection(const Inspection &Facts, const KernelTimes &Times) {
  std::string Name = Facts.Name.empty() ? Facts.Path : Facts.Name;
  std::string Out = element("h1", Name) + element("p", Facts.Path) + "<div class=\"facts\">\n" +
                    fact("architecture", Facts.Architecture) +
                    fact("file", formatBytes(Facts.FileBytes)) +
                    fact("parameters", formatFixed(static_cast<double>(Facts.Parameters) / 1e6, 1) +
                                           " M in " + std::to_string(Facts.Tensors) + " tensors");
  for (const auto &[Type, Count] : Facts.Types)
    Out += fact("as " + Type, formatBytes(Count.Bytes));
  Out += fact("target", Times.Plan.Target) + fact("precision", Times.Plan.Precision);
  if (Facts.Memory)
    Out += fact("packed weights", formatBytes(Facts.Memory->Weights)) +
           fact("KV cache, " + std::to_string(Facts.Memory->Context) + " positions",
                formatBytes(Facts.Memory->KV));
  const MachineNumbers &Machine = Times.Machine;
  return Out + fact("workers", std::to_string(Machine.Workers)) +
         fact("read, " + formatBytes(static_cast<uint64_t>(Machine.Read.back().Bytes)),
              formatFixed(Machine.Read.back().BytesPerSecond / 1e9, 1) + " GB/s") +
         fact("int8 peak", formatFixed(Machine.Int8 / 1e9, 0) + " Gop/s") +
         fact("f32 peak", formatFixed(Machine.F32 / 1e9, 0) + " Gop/s") +
         fact("a barrier", formatFixed(Machine.BarrierSeconds * 1e6, 2) + " us") + "</div>\n" +
         element("p", Machine.CPU.substr(0, Machine.CPU.find(':')));
}

static std::string bar(std::string_view Class, double Value, double Most) {
  return "<div class=\"bar " + std::string(Class) +
         "\" style=\"width:" + formatFixed(100 * Value / Most, 1) + "%\"></div>";
}

static std::string kernelSection(const ScheduleEntry &Entry, size_t Index) {
  const ScheduleStep &Step = Entry.Steps[Index];
  bool Measured = Step.Measured.has_value();
  double Most = 1e-9;
  for (const SchedulePhase &Phase : Entry.Phases) {
    const ScheduleCase &Case = Phase.Cases[Index];
    double Longest =
        std::max({Case.LimitUs, Case.PredictedUs, Case.Measured ? Case.Measured->Median : 0});
    Most = std::max(Most, Longest * static_cast<double>(Phase.Times));
  }
  std::string Title = "Kernels of " + Entry.Name + ", " + std::to_string(Step.Rows) +
                      (Step.Rows == 1 ? " row" : " rows") + ": predicted " +
                      formatFixed(Step.PredictedUs, 0) + " us a step";
  if (Measured)
    Title += ", measured " + formatFixed(Step.Measured->Median, 0);
  std::string Out = element("h3", Title) +
                    "<table><tr><th>phase</th><th>times</th><th>KB</th><th>M multiply-adds</th>"
                    "<th>bound</th><th>limit us</th><th>predicted us</th>" +
                    (Measured ? "<th>measured us</th><th>of limit</th>" : "") +
                    "<th class=\"bars\">all runs of a step</th></tr>\n";
  auto Cell = [](std::string_view Text) { return "<td>" + escapeMarkup(Text) + "</td>"; };
  for (const SchedulePhase &Phase : Entry.Phases) {
    const ScheduleCase &Case = Phase.Cases[Index];
    Out += "<tr>" + Cell(Phase.Name) + Cell(std::to_string(Phase.Times)) +
           Cell(formatFixed(static_cast<double>(Case.bytes()) / 1e3, 1)) +
           Cell(formatFixed(static_cast<double>(Case.MultiplyAdds) / 1e6, 2)) + Cell(Case.Bound) +
           Cell(formatFixed(Case.LimitUs, 2)) + Cell(formatFixed(Case.PredictedUs, 2));
    if (Measured)
      Out += Cell(formatFixed(Case.Measured->Median, 2)) +
             Cell(formatFixed(100 * Case.LimitUs / Case.Measured->Median, 0) + " %");
    double One = Most / static_cast<double>(Phase.Times);
    Out += "<td class=\"bars\">" + bar("limit", Case.LimitUs, One) +
           bar("predicted", Case.PredictedUs, One) +
           (Measured ? bar("measured", Case.Measured->Median, One) : "") + "</td></tr>\n";
  }
  return Out + "</table>\n";
}

static std::string entrySection(const ScheduleEntry &Entry) {
  auto Ratio = static_cast<double>(Entry.ArenaBytes) /
               static_cast<double>(std::max<int64_t>(1, Entry.ArenaBound));
  std::string Out =
      element("h2", "Entry " + Entry.Name) +
      element("p", "At most " + std::to_string(Entry.MaxRows) +
                       (Entry.MaxRows == 1 ? " row" : " rows") +
                       " a step. A grey band is a phase: what stands in it is computed together. "
                       "Blue lines are buffers.") +
      "<div class=\"scroll\">" + drawGraph(Entry).take() + "</div>\n" +
      element("h3", "Arena: " + formatBytes(static_cast<uint64_t>(Entry.ArenaBytes)) + ", " +
                        formatFixed(Ratio, 3) + " of the lower bound") +
      "<div class=\"scroll\">" + drawMemory(Entry).take() + "</div>\n" +
      "<p class=\"key\"><i class=\"limit\"></i>limit of this machine<i class=\"predicted\"></i>"
      "predicted<i class=\"measured\"></i>measured, where it was</p>\n";
  for (size_t I = 0; I < Entry.Steps.size(); ++I)
    Out += kernelSection(Entry, I);
  return Out;
}

std::string cli::htmlPage(const Inspection &Facts, const KernelTimes &Times) {
  std::string Out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n" +
      element("title", Facts.Name.empty() ? Facts.Path : Facts.Name) + "<style>" +
      std::string(pictureStyle()) + std::string(PageStyle) + "</style></head><body><main>\n" +
      factsSection(Facts, Times);
  bool Measured = false;
  for (const ScheduleEntry &Entry : Times.Plan.Entries)
    for (const ScheduleStep &Step : Entry.Steps)
      Measured |= Step.Measured.has_value();
  if (Measured)
    Out += element("h2", "Roofline") + "<div class=\"scroll\">" + drawRoofline(Times).take() +
           "</div>\n";
  for (const ScheduleEntry &Entry : Times.Plan.Entries)
    Out += entrySection(Entry);
  return Out + "<p>" + escapeMarkup(Times.Plan.Compiler) + "</p></main></body></html>\n";
}
