//===- GpuKernels.cpp - What the kernels of a model take of a GPU -----------===//

#include "tools/lathe/GpuKernels.h"
#include "tools/lathe/TextTable.h"

#include "runtime/session/CompilerLibrary.h"
#include "runtime/support/JsonReader.h"
#include "runtime/support/Text.h"

using namespace lathe;
using namespace lathe::cli;

bool cli::isGpuTarget(std::string_view Target) { return Target.starts_with("sm_"); }

std::optional<std::string> cli::askGpuKernels(const std::string &Path,
                                              const TargetArguments &Target, Diagnostics &Diags) {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return std::nullopt;
  CompileRequest Request;
  Request.Input = Path;
  Request.Target = Target.Target;
  Request.Precision = Target.Precision;
  Request.KVType = Target.KVType;
  Request.Emit = "resources";
  std::shared_ptr<CompileResult> Result = Compiler->compile(Request, Diags);
  if (!Result)
    return std::nullopt;
  std::span<const uint8_t> Bytes = Result->output();
  return std::string(Bytes.begin(), Bytes.end());
}

static std::string textOf(JsonValue Value) {
  return escapeControls(std::string(Value.text().value_or("")));
}

static uint64_t numberOf(JsonValue Value) { return Value.unsignedInteger().value_or(0); }

static std::string kernelsText(JsonValue Report) {
  TextTable Table({"kernel", "registers", "spilled", "blocks", "occupancy", "limited by"}, {5});
  for (JsonValue Each : Report["kernels"].elements().value_or(std::vector<JsonValue>()))
    Table.add({textOf(Each["name"]), std::to_string(numberOf(Each["registers"])),
               formatBytes(numberOf(Each["spill_store_bytes"])),
               std::to_string(numberOf(Each["blocks"])),
               formatFixed(100 * Each["occupancy"].number().value_or(0), 0) + " %",
               textOf(Each["limit"])});
  return "blocks of " + std::to_string(numberOf(Report["threads"])) + " threads and " +
         formatBytes(numberOf(Report["shared_bytes"])) + " of shared memory\n" + Table.text(2);
}

/// Runs of a phase count as one line; entries follow each other.
static std::string phasesText(JsonValue Report) {
  TextTable Table({"entry", "phase", "rows", "times", "bytes", "operations", "limit", "by"},
                  {1, 7});
  for (JsonValue Each : Report["phases"].elements().value_or(std::vector<JsonValue>())) {
    uint64_t Operations = 0;
    for (const char *Kind : {"int8_operations", "bf16_operations", "f32_operations"})
      Operations += numberOf(Each[Kind]);
    Table.add({textOf(Each["entry"]), textOf(Each["phase"]), std::to_string(numberOf(Each["rows"])),
               std::to_string(numberOf(Each["times"])), formatBytes(numberOf(Each["bytes"])),
               formatFixed(static_cast<double>(Operations) / 1e6, 2) + " M",
               formatFixed(Each["limit_us"].number().value_or(0), 2) + " us",
               textOf(Each["bound"])});
  }
  return "least time of each phase on " + textOf(Report["gpu"]) + ", by its data sheet\n" +
         Table.text(2);
}

std::optional<std::string> cli::gpuKernelsText(const std::string &Report, Diagnostics &Diags) {
  std::optional<JsonDocument> Parsed = JsonDocument::parse(Report);
  if (Parsed && Parsed->root()["kernels"] && Parsed->root()["phases"])
    return kernelsText(Parsed->root()) + "\n" + phasesText(Parsed->root());
  Diags.error(611, "the compiler", "told a report of kernels that this lathe cannot read",
              "use the compiler that was built with this runtime");
  return std::nullopt;
}
