//===- ScheduleText.cpp - The schedule as tables and as JSON ----------------===//

#include "tools/lathe/Json.h"
#include "tools/lathe/Schedule.h"
#include "tools/lathe/TextTable.h"

#include "runtime/support/Text.h"

using namespace lathe;
using namespace lathe::cli;

static std::string joined(const std::vector<std::string> &Words, std::string_view Between) {
  std::string Out;
  for (const std::string &Each : Words)
    Out += (Out.empty() ? "" : std::string(Between)) + Each;
  return Out;
}

/// "9 of 64x1": how many tiles of how many columns and rows.
static std::string tilesText(const std::vector<ScheduleTiles> &Tiles) {
  std::vector<std::string> Words;
  for (const ScheduleTiles &Each : Tiles)
    Words.push_back(std::to_string(Each.Count) + " of " +
                    (Each.Columns ? std::to_string(Each.Columns) + "x" : "") +
                    std::to_string(Each.Rows));
  return joined(Words, ", ");
}

static std::string machineText(const MachineNumbers &Machine) {
  std::string Out = "machine, " + std::to_string(Machine.Workers) + " workers\n  read";
  for (const MachineNumbers::ReadSpeed &Each : Machine.Read)
    Out += "  " + formatBytes(static_cast<uint64_t>(Each.Bytes)) + ": " +
           formatFixed(Each.BytesPerSecond / 1e9, 1) + " GB/s";
  return Out + "\n  int8 " + formatFixed(Machine.Int8 / 1e9, 0) + ", bf16 " +
         formatFixed(Machine.BF16 / 1e9, 0) + ", f32 " + formatFixed(Machine.F32 / 1e9, 0) +
         " Gop/s; a barrier " + formatFixed(Machine.BarrierSeconds * 1e6, 2) + " us\n";
}

/// A line for every shape that was compared, but for those far from the best.
static std::string registerTilesText(const Schedule &Plan) {
  std::string Out = "chosen by a core with";
  for (const auto &[Name, Value] : Plan.Core)
    Out += "  " + Name + "=" + std::to_string(Value);
  TextTable Table({"register tile", "rows", "columns", "of the peak", ""}, {0, 4});
  constexpr double Least = 0.8;
  for (const ScheduleRegisterTile &Each : Plan.RegisterTiles)
    if (Each.Chosen || Each.Share >= Least)
      Table.add({escapeControls(Each.Arithmetic), std::to_string(Each.Rows),
                 std::to_string(Each.Columns), formatFixed(100 * Each.Share, 0) + " %",
                 Each.Chosen ? "chosen" : ""});
  return Out + "\n" + Table.text(2);
}

/// What does not depend on the rows: what is fused, layout and arithmetic.
static std::string phasesText(const ScheduleEntry &Entry) {
  TextTable Table({"phase", "times", "axis", "fused", "contractions", "registers"}, {2, 3, 4, 5});
  for (const SchedulePhase &Phase : Entry.Phases) {
    std::vector<std::string> Ops, Contractions, Registers;
    for (const ScheduleOp &Op : Phase.Ops)
      if (Op.Op != "split_heads" && Op.Op != "merge_heads")
        Ops.push_back(Op.Op);
    for (const ScheduleContraction &Each : Phase.Contractions) {
      std::string Kind = Each.Format + " in " + Each.Layout + " by " + Each.Arithmetic;
      if (Contractions.empty() || Contractions.back() != Kind)
        Contractions.push_back(Kind);
      std::string Tile =
          std::to_string(Each.RegisterColumns) + "x" + std::to_string(Each.RegisterRows);
      if (Registers.empty() || Registers.back() != Tile)
        Registers.push_back(Tile);
    }
    Table.add({Phase.Name, std::to_string(Phase.Times), Phase.Axis, joined(Ops, " "),
               joined(Contractions, ", "), joined(Registers, ", ")});
  }
  return Table.text(2);
}

static std::string caseText(const ScheduleEntry &Entry, size_t Index) {
  const ScheduleStep &Step = Entry.Steps[Index];
  std::string Out = "\n  " + Entry.Name + " of " + std::to_string(Step.Rows) +
                    (Step.Rows == 1 ? " row" : " rows") + ": " +
                    formatFixed(static_cast<double>(Step.FootprintBytes) / 1e6, 1) + " MB at " +
                    formatFixed(Step.ReadBytesPerSecond / 1e9, 1) + " GB/s, " +
                    formatFixed(static_cast<double>(Step.MultiplyAdds) / 1e6, 1) +
                    " M multiply-adds, " + std::to_string(Step.Barriers) + " barriers; limit " +
                    formatFixed(Step.LimitUs, 0) + " us, predicted " +
                    formatFixed(Step.PredictedUs, 0) + " us\n";
  TextTable Table({"phase", "tiles", "KB weights", "KB cache", "KB activations", "M multiply-adds",
                   "limit us", "predicted us", "bound"},
                  {1, 8});
  for (const SchedulePhase &Phase : Entry.Phases) {
    const ScheduleCase &Case = Phase.Cases[Index];
    auto Scaled = [](int64_t Value, double Unit, int Digits) {
      return formatFixed(static_cast<double>(Value) / Unit, Digits);
    };
    Table.add({Phase.Name, tilesText(Case.Tiles), Scaled(Case.WeightBytes, 1e3, 1),
               Scaled(Case.CacheBytes, 1e3, 1), Scaled(Case.ActivationBytes, 1e3, 1),
               Scaled(Case.MultiplyAdds, 1e6, 3), formatFixed(Case.LimitUs, 2),
               formatFixed(Case.PredictedUs, 2), Case.Bound});
  }
  return Out + Table.text(2);
}

std::string cli::scheduleText(const Schedule &Plan, const MachineNumbers &Machine) {
  std::string Out = "target " + escapeControls(Plan.Target) + ", precision " +
                    escapeControls(Plan.Precision) + ", steps after " + std::to_string(Plan.Depth) +
                    " positions\nsizes";
  for (const auto &[Name, Value] : Plan.Sizes)
    Out += "  " + Name + "=" + std::to_string(Value);
  Out += "\n" + registerTilesText(Plan) + machineText(Machine);
  for (const ScheduleEntry &Entry : Plan.Entries) {
    double Bound = static_cast<double>(std::max<int64_t>(1, Entry.ArenaBound));
    Out += "\nentry " + escapeControls(Entry.Name) + ", at most " + std::to_string(Entry.MaxRows) +
           (Entry.MaxRows == 1 ? " row; " : " rows; ") + "arena " +
           formatBytes(static_cast<uint64_t>(Entry.ArenaBytes)) + ", " +
           formatFixed(static_cast<double>(Entry.ArenaBytes) / Bound, 3) + " of the lower bound\n" +
           phasesText(Entry);
    for (size_t I = 0; I < Entry.Steps.size(); ++I)
      Out += caseText(Entry, I);
  }
  return Out;
}

static void writeMeasured(JsonWriter &Json, const MeasuredTime &Time) {
  Json.field("median_us", Time.Median).field("least_us", Time.Least).field("samples", Time.Samples);
}

/// "" when nothing was measured.
static std::string measuredJson(const Schedule &Plan) {
  JsonWriter Json;
  bool Any = false;
  Json.beginArray();
  for (const ScheduleEntry &Entry : Plan.Entries) {
    for (const ScheduleStep &Step : Entry.Steps)
      if (Step.Measured) {
        Any = true;
        Json.beginObject().field("entry", Entry.Name).field("rows", Step.Rows);
        writeMeasured(Json.key("phase").null(), *Step.Measured);
        Json.field("limit_us", Step.LimitUs).endObject();
      }
    for (const SchedulePhase &Phase : Entry.Phases)
      for (const ScheduleCase &Case : Phase.Cases)
        if (Case.Measured) {
          Json.beginObject().field("entry", Entry.Name).field("rows", Case.Rows);
          writeMeasured(Json.field("phase", Phase.Name), *Case.Measured);
          Json.field("limit_us", Case.LimitUs).field("bytes", Case.bytes());
          Json.field("operations", Case.operations()).field("bound", Case.Bound).endObject();
        }
  }
  return Any ? Json.endArray().take() : "";
}

std::string cli::scheduleJson(const Schedule &Plan, const MachineNumbers &Machine) {
  std::string Measured = measuredJson(Plan);
  return "{\n\"machine\": " + Machine.json() + ",\n\"schedule\": " + Plan.Text +
         (Measured.empty() ? "" : ",\n\"measured\": " + Measured) + "}\n";
}
