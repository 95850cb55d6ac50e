//===- Schedule.h - What the compiler decided for a model -------*- C++ -*-===//
//
// The compiler's report (lathe_compile_request::emit "schedule"), read back.  The
// members are those of docs/cost-model.md.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_SCHEDULE_H
#define LATHE_TOOLS_LATHE_SCHEDULE_H

#include "tools/lathe/Machine.h"
#include "tools/lathe/ModelArguments.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe::cli {

/// An op of a phase; `Inputs` are numbers of earlier ops of the same phase, `Reads`
/// and `Writes` names of buffers, "kv" or "logits".
struct ScheduleOp {
  std::string Op, Type;
  std::vector<std::string> Weights, Reads, Writes;
  std::vector<int64_t> Inputs;
};

struct ScheduleContraction {
  std::string Weight, Format, Layout, Arithmetic;
  int64_t Outputs = 0, Inputs = 0, RegisterRows = 0, RegisterColumns = 0;
};

struct ScheduleTiles {
  std::vector<std::string> Weights;
  int64_t Columns = 0, Rows = 0, Count = 0;
};

/// A phase, or a whole step, measured: the median and the least of the samples.
struct MeasuredTime {
  double Median = 0, Least = 0; ///< Microseconds.
  int64_t Samples = 0;
};

/// One run of a phase in a step of `Rows` rows.
struct ScheduleCase {
  int64_t Rows = 0, WeightBytes = 0, CacheBytes = 0, ActivationBytes = 0, MultiplyAdds = 0;
  int64_t Int8 = 0, BF16 = 0, F32 = 0;
  std::vector<ScheduleTiles> Tiles;
  double LimitUs = 0, PredictedUs = 0, BytesUs = 0, OperationsUs = 0;
  std::string Bound;
  std::optional<MeasuredTime> Measured;

  int64_t bytes() const { return WeightBytes + CacheBytes + ActivationBytes; }
  int64_t operations() const { return Int8 + BF16 + F32; }
};

struct SchedulePhase {
  std::string Name, Symbol, Axis;
  int64_t Times = 1;           ///< How often in a step.
  std::vector<int64_t> Layers; ///< That run it; empty outside of the stack.
  bool Barrier = false;        ///< Ahead of it.
  std::vector<ScheduleOp> Ops;
  std::vector<ScheduleContraction> Contractions;
  std::vector<ScheduleCase> Cases;
};

struct ScheduleBuffer {
  std::string Name, Type;
  int64_t Bytes = 0, Offset = 0, First = 0, Last = 0; ///< First and last phase.
};

struct ScheduleStep {
  int64_t Rows = 0, LogitsRows = 0, FootprintBytes = 0, MultiplyAdds = 0, Barriers = 0;
  double ReadBytesPerSecond = 0, LimitUs = 0, PredictedUs = 0;
  std::optional<MeasuredTime> Measured;
};

struct ScheduleEntry {
  std::string Name;
  int64_t MaxRows = 0, ArenaBytes = 0, ArenaBound = 0;
  std::vector<ScheduleBuffer> Buffers;
  std::vector<SchedulePhase> Phases;
  std::vector<ScheduleStep> Steps; ///< For the same rows as every phase's Cases.
};

/// A register tile that the compiler chose or compared.
struct ScheduleRegisterTile {
  std::string Arithmetic;
  int64_t Rows = 0, Columns = 0;
  double Share = 0; ///< Of the peak, as predicted.
  bool Chosen = false;
};

struct Schedule {
  std::string Compiler, Target, Precision;
  int64_t Depth = 0;
  std::vector<std::pair<std::string, int64_t>> Core, Sizes; ///< Of the target, by name.
  std::vector<ScheduleRegisterTile> RegisterTiles;
  std::vector<ScheduleEntry> Entries;
  std::string Text; ///< As the compiler wrote it.

  /// Nullopt with E0611 when `Text` is not such a report.
  static std::optional<Schedule> parse(std::string Text, Diagnostics &Diags);
};

/// Asks the compiler for the schedule of the model at `Path` on `Machine`, for steps
/// after `Depth` positions.
std::optional<Schedule> askSchedule(const std::string &Path, const TargetArguments &Target,
                                    const MachineNumbers &Machine, int64_t Depth,
                                    Diagnostics &Diags);

/// The schedule as tables.
std::string scheduleText(const Schedule &Plan, const MachineNumbers &Machine);
/// One object: the machine, the schedule as the compiler wrote it, and what was measured.
std::string scheduleJson(const Schedule &Plan, const MachineNumbers &Machine);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_SCHEDULE_H
