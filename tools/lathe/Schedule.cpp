//===- Schedule.cpp - What the compiler decided for a model -----------------===//

#include "tools/lathe/Schedule.h"

#include "runtime/session/CompilerLibrary.h"
#include "runtime/support/JsonReader.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

namespace {
/// Members that are missing or of another type keep their defaults: the text comes
/// from the compiler that belongs to us.
class Reader {
public:
  explicit Reader(JsonValue Value) : Value(Value) {}

  Reader &get(const char *Key, std::string &Into) {
    if (std::optional<std::string_view> Found = Value[Key].text())
      Into = *Found;
    return *this;
  }
  Reader &get(const char *Key, int64_t &Into) {
    Into = Value[Key].integer().value_or(Into);
    return *this;
  }
  Reader &get(const char *Key, double &Into) {
    Into = Value[Key].number().value_or(Into);
    return *this;
  }
  Reader &get(const char *Key, bool &Into) {
    Into = Value[Key].boolean().value_or(Into);
    return *this;
  }
  Reader &get(const char *Key, std::vector<std::string> &Into) {
    return each(Key, [&](JsonValue Each) {
      if (std::optional<std::string_view> Text = Each.text())
        Into.emplace_back(*Text);
    });
  }
  Reader &get(const char *Key, std::vector<int64_t> &Into) {
    return each(Key, [&](JsonValue Each) {
      if (std::optional<int64_t> Number = Each.integer())
        Into.push_back(*Number);
    });
  }
  /// A list of objects.
  template <typename T> Reader &get(const char *Key, std::vector<T> &Into) {
    return each(Key, [&](JsonValue Each) { read(Reader(Each), Into.emplace_back()); });
  }

private:
  template <typename Callable> Reader &each(const char *Key, Callable Use) {
    if (std::optional<std::vector<JsonValue>> List = Value[Key].elements())
      for (JsonValue Each : *List)
        Use(Each);
    return *this;
  }

  static void read(Reader From, ScheduleOp &Op);
  static void read(Reader From, ScheduleContraction &Contraction);
  static void read(Reader From, ScheduleTiles &Tiles);
  static void read(Reader From, ScheduleRegisterTile &Tile);
  static void read(Reader From, ScheduleCase &Case);
  static void read(Reader From, SchedulePhase &Phase);
  static void read(Reader From, ScheduleBuffer &Buffer);
  static void read(Reader From, ScheduleStep &Step);
  static void read(Reader From, ScheduleEntry &Entry);

  JsonValue Value;
};
} // namespace

void Reader::read(Reader From, ScheduleOp &Op) {
  From.get("op", Op.Op).get("type", Op.Type).get("weights", Op.Weights);
  From.get("inputs", Op.Inputs).get("reads", Op.Reads).get("writes", Op.Writes);
}
void Reader::read(Reader From, ScheduleContraction &Each) {
  From.get("weight", Each.Weight).get("format", Each.Format).get("layout", Each.Layout);
  From.get("arithmetic", Each.Arithmetic).get("outputs", Each.Outputs).get("inputs", Each.Inputs);
  From.get("register_rows", Each.RegisterRows).get("register_columns", Each.RegisterColumns);
}
void Reader::read(Reader From, ScheduleTiles &Tiles) {
  From.get("weights", Tiles.Weights).get("columns", Tiles.Columns);
  From.get("rows", Tiles.Rows).get("count", Tiles.Count);
}
void Reader::read(Reader From, ScheduleRegisterTile &Tile) {
  From.get("arithmetic", Tile.Arithmetic).get("rows", Tile.Rows).get("columns", Tile.Columns);
  From.get("share", Tile.Share).get("chosen", Tile.Chosen);
}
void Reader::read(Reader From, ScheduleCase &Case) {
  From.get("rows", Case.Rows).get("weight_bytes", Case.WeightBytes);
  From.get("cache_bytes", Case.CacheBytes).get("activation_bytes", Case.ActivationBytes);
  From.get("int8_operations", Case.Int8).get("bf16_operations", Case.BF16);
  From.get("f32_operations", Case.F32).get("multiply_adds", Case.MultiplyAdds);
  From.get("tiles", Case.Tiles).get("limit_us", Case.LimitUs).get("bound", Case.Bound);
  From.get("bytes_us", Case.BytesUs).get("operations_us", Case.OperationsUs);
  From.get("predicted_us", Case.PredictedUs);
}
void Reader::read(Reader From, SchedulePhase &Phase) {
  From.get("name", Phase.Name).get("symbol", Phase.Symbol).get("axis", Phase.Axis);
  From.get("times", Phase.Times).get("layers", Phase.Layers).get("barrier", Phase.Barrier);
  From.get("ops", Phase.Ops).get("contractions", Phase.Contractions).get("cases", Phase.Cases);
}
void Reader::read(Reader From, ScheduleBuffer &Buffer) {
  From.get("name", Buffer.Name).get("type", Buffer.Type).get("bytes", Buffer.Bytes);
  From.get("offset", Buffer.Offset).get("first", Buffer.First).get("last", Buffer.Last);
}
void Reader::read(Reader From, ScheduleStep &Step) {
  From.get("rows", Step.Rows).get("logits_rows", Step.LogitsRows);
  From.get("footprint_bytes", Step.FootprintBytes).get("multiply_adds", Step.MultiplyAdds);
  From.get("barriers", Step.Barriers).get("read_bytes_per_second", Step.ReadBytesPerSecond);
  From.get("limit_us", Step.LimitUs).get("predicted_us", Step.PredictedUs);
}
void Reader::read(Reader From, ScheduleEntry &Entry) {
  From.get("name", Entry.Name).get("max_rows", Entry.MaxRows);
  From.get("arena_bytes", Entry.ArenaBytes).get("arena_bound", Entry.ArenaBound);
  From.get("buffers", Entry.Buffers).get("phases", Entry.Phases).get("steps", Entry.Steps);
}

static void readNumbers(JsonValue Object, std::vector<std::pair<std::string, int64_t>> &Into) {
  for (const auto &[Key, Value] : Object.members())
    if (std::optional<int64_t> Number = Value.integer())
      Into.emplace_back(Key, *Number);
}

std::optional<Schedule> Schedule::parse(std::string Text, Diagnostics &Diags) {
  Schedule Result;
  int64_t Version = 0;
  if (std::optional<JsonDocument> Parsed = JsonDocument::parse(Text)) {
    JsonValue Root = Parsed->root();
    Reader From(Root);
    From.get("schedule", Version).get("compiler", Result.Compiler).get("target", Result.Target);
    From.get("precision", Result.Precision).get("depth", Result.Depth);
    From.get("entries", Result.Entries);
    From.get("register_tiles", Result.RegisterTiles);
    readNumbers(Root["core"], Result.Core);
    readNumbers(Root["sizes"], Result.Sizes);
  }
  // Every phase and the whole step are told for the same numbers of rows.
  bool Sound = Version == 1 && !Result.Entries.empty();
  for (const ScheduleEntry &Entry : Result.Entries)
    for (const SchedulePhase &Phase : Entry.Phases)
      Sound &= !Phase.Cases.empty() && Phase.Cases.size() == Entry.Steps.size();
  if (!Sound) {
    Diags.error(611, "the compiler", "told a schedule that this lathe cannot read",
                "use the compiler that was built with this runtime");
    return std::nullopt;
  }
  Result.Text = std::move(Text);
  return Result;
}

std::optional<Schedule> cli::askSchedule(const std::string &Path, const TargetArguments &Target,
                                         const MachineNumbers &Machine, int64_t Depth,
                                         Diagnostics &Diags) {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return std::nullopt;
  CompileRequest Request;
  Request.Input = Path;
  Request.Target = Target.Target;
  Request.Precision = Target.Precision;
  Request.KVType = Target.KVType;
  Request.Emit = "schedule";
  Request.Machine = Machine.json();
  Request.Depth = Depth;
  std::shared_ptr<CompileResult> Result = Compiler->compile(Request, Diags);
  if (!Result)
    return std::nullopt;
  std::span<const uint8_t> Bytes = Result->output();
  return Schedule::parse(std::string(Bytes.begin(), Bytes.end()), Diags);
}
