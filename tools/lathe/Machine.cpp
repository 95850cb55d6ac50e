//===- Machine.cpp - Measured numbers of this machine -----------------------===//

#include "tools/lathe/Machine.h"
#include "tools/lathe/Json.h"
#include "tools/lathe/ModelArguments.h"

#include "runtime/session/HostCPU.h"
#include "runtime/session/ProgramCache.h"
#include "runtime/support/AtomicFile.h"
#include "runtime/support/JsonReader.h"

#include <algorithm>
#include <cmath>

#include <unistd.h>

using namespace lathe;
using namespace lathe::cli;

std::string MachineNumbers::json() const {
  JsonWriter Json;
  Json.beginObject().field("cpu", CPU).field("workers", Workers);
  Json.key("read").beginArray();
  for (const ReadSpeed &Each : Read)
    Json.beginObject()
        .field("bytes", Each.Bytes)
        .field("bytes_per_second", Each.BytesPerSecond)
        .endObject();
  Json.endArray()
      .field("int8_operations_per_second", Int8)
      .field("bf16_operations_per_second", BF16)
      .field("f32_operations_per_second", F32)
      .field("barrier_seconds", BarrierSeconds)
      .field("multiply_add_seconds", MultiplyAddSeconds)
      .field("multiply_add_latency_seconds", MultiplyAddLatencySeconds)
      .field("int8_step_seconds", Int8StepSeconds)
      .field("load_seconds", LoadSeconds)
      .field("nearest_cache_bytes", NearestCacheBytes);
  return Json.endObject().take();
}

/// A positive number, or what is wrong with it.
static std::optional<std::string> readNumber(JsonValue Value, double &Into) {
  std::optional<double> Number = Value.number();
  if (!Number || *Number <= 0)
    return "expected a positive number";
  Into = *Number;
  return std::nullopt;
}

static std::optional<std::string> readInteger(JsonValue Value, Range<int64_t> Bounds,
                                              int64_t &Into) {
  std::optional<int64_t> Number = Value.integer();
  if (!Number || *Number < Bounds.Min || *Number > Bounds.Max)
    return "expected a whole number from " + std::to_string(Bounds.Min) + " to " +
           std::to_string(Bounds.Max);
  Into = *Number;
  return std::nullopt;
}

static std::optional<std::string> readSpeeds(JsonValue Value,
                                             std::vector<MachineNumbers::ReadSpeed> &Into) {
  constexpr const char *Expected =
      "expected a list of {\"bytes\", \"bytes_per_second\"}, positive and ascending by bytes";
  std::optional<std::vector<JsonValue>> List = Value.elements();
  if (!List)
    return Expected;
  std::vector<MachineNumbers::ReadSpeed> Speeds;
  for (JsonValue Each : *List) {
    std::optional<int64_t> Bytes = Each["bytes"].integer();
    std::optional<double> Speed = Each["bytes_per_second"].number();
    if (!Bytes || !Speed || *Speed <= 0 || *Bytes <= (Speeds.empty() ? 0 : Speeds.back().Bytes))
      return Expected;
    Speeds.push_back({*Bytes, *Speed});
  }
  if (Speeds.empty())
    return Expected;
  Into = std::move(Speeds);
  return std::nullopt;
}

bool MachineNumbers::override(std::string_view Text, const std::string &Where, Diagnostics &Diags) {
  std::optional<JsonDocument> Parsed = JsonDocument::parse(Text);
  if (!Parsed || !Parsed->root().isObject()) {
    Diags.error(112, Where, "found no JSON object", "docs/cost-model.md shows one");
    return false;
  }
  auto Member = [&](std::string_view Key, JsonValue Value) -> std::optional<std::string> {
    std::pair<std::string_view, double *> Numbers[] = {
        {"int8_operations_per_second", &Int8},
        {"bf16_operations_per_second", &BF16},
        {"f32_operations_per_second", &F32},
        {"barrier_seconds", &BarrierSeconds},
        {"multiply_add_seconds", &MultiplyAddSeconds},
        {"multiply_add_latency_seconds", &MultiplyAddLatencySeconds},
        {"int8_step_seconds", &Int8StepSeconds},
        {"load_seconds", &LoadSeconds}};
    for (auto [Name, Into] : Numbers)
      if (Key == Name)
        return readNumber(Value, *Into);
    if (Key == "read")
      return readSpeeds(Value, Read);
    if (Key == "cpu") {
      std::optional<std::string_view> Name = Value.text();
      CPU = Name.value_or(CPU);
      return Name ? std::nullopt : std::optional<std::string>("expected a text");
    }
    if (Key == "workers")
      return readInteger(Value, {1, WorkerPool::MaxWorkers}, Workers);
    if (Key == "nearest_cache_bytes")
      return readInteger(Value, {1 << 12, 1 << 24}, NearestCacheBytes);
    return "is no member of a machine";
  };
  bool Sound = true;
  for (const auto &[Key, Value] : Parsed->root().members())
    if (std::optional<std::string> Wrong = Member(Key, Value)) {
      Diags.error(112, Where, "'" + std::string(Key) + "': " + *Wrong);
      Sound = false;
    }
  return Sound;
}

void MachineNumbers::keepBest(const MachineNumbers &Other) {
  Int8 = std::max(Int8, Other.Int8);
  BF16 = std::max(BF16, Other.BF16);
  F32 = std::max(F32, Other.F32);
  for (double MachineNumbers::*Time :
       {&MachineNumbers::BarrierSeconds, &MachineNumbers::MultiplyAddSeconds,
        &MachineNumbers::MultiplyAddLatencySeconds, &MachineNumbers::Int8StepSeconds,
        &MachineNumbers::LoadSeconds})
    this->*Time = std::min(this->*Time, Other.*Time);
  for (ReadSpeed &Each : Read)
    for (const ReadSpeed &Again : Other.Read)
      if (Again.Bytes == Each.Bytes)
        Each.BytesPerSecond = std::max(Each.BytesPerSecond, Again.BytesPerSecond);
}

bool MachineNumbers::isWhole() const {
  return !Read.empty() && NearestCacheBytes > 0 &&
         std::min({Int8, BF16, F32, BarrierSeconds, MultiplyAddSeconds, MultiplyAddLatencySeconds,
                   Int8StepSeconds, LoadSeconds}) > 0;
}

std::string MachineNumbers::targetNumbers() const {
  auto Picoseconds = [](double Seconds) {
    return std::to_string(std::max<int64_t>(1, std::llround(Seconds * 1e12)));
  };
  return "multiply-add-time=" + Picoseconds(MultiplyAddSeconds) +
         ",multiply-add-latency=" + Picoseconds(MultiplyAddLatencySeconds) +
         ",int8-step-time=" + Picoseconds(Int8StepSeconds) +
         ",load-time=" + Picoseconds(LoadSeconds) +
         ",nearest-cache-bytes=" + std::to_string(NearestCacheBytes);
}

/// Puts what is known of this machine in place of "measured" in "host:measured".
static std::optional<Diagnostic> resolveMeasured(std::string &Target) {
  constexpr std::string_view Wanted = ":measured";
  size_t Place = Target.find(Wanted);
  if (Place == std::string::npos)
    return std::nullopt;
  Diagnostics Diags;
  std::unique_ptr<WorkerPool> Workers = WorkerPool::create(0, Diags);
  std::optional<MachineNumbers> Machine;
  if (Workers)
    Machine = knownMachine(*Workers, nullptr, Diags);
  if (!Machine)
    return Diags.all().front();
  Target.replace(Place + 1, Wanted.size() - 1, Machine->targetNumbers());
  return std::nullopt;
}

static TargetResolverRegistration Registered(resolveMeasured);

std::optional<MachineNumbers> cli::knownMachine(WorkerPool &Workers, Terminal *Term,
                                                Diagnostics &Diags) {
  std::optional<ProgramCache> Cache = ProgramCache::open(ProgramCache::defaultFolder(), Diags);
  std::string Path =
      Cache ? Cache->folder() + "/machine-" + std::to_string(Workers.workers()) + ".json" : "";
  // What cannot be read is measured again.
  Diagnostics Ignored;
  MachineNumbers Known;
  if (Cache && access(Path.c_str(), R_OK) == 0)
    if (std::optional<std::string> Text = readTextFile(Path, Ignored);
        Text && Known.override(*Text, Path, Ignored) && Known.CPU == hostDescription() &&
        Known.Workers == Workers.workers() && Known.isWhole())
      return Known;
  if (Term)
    Term->progress("measuring this machine ...");
  std::optional<MachineNumbers> Measured = measureMachine(Workers, Diags);
  if (!Measured || !Cache)
    return Measured;
  if (std::unique_ptr<AtomicFile> File = AtomicFile::create(Path, Ignored, 0600))
    if (File->write(Measured->json(), Ignored))
      File->commit(Ignored);
  return Measured;
}
