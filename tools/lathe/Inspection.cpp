//===- Inspection.cpp - What a model is and will need -----------------------===//

#include "tools/lathe/Inspection.h"
#include "tools/lathe/Json.h"
#include "tools/lathe/Terminal.h"

#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

static std::optional<Scalar> scalarOf(const GGUFFile &File, const GGUFValue &Value) {
  if (std::optional<bool> Truth = File.getBool(Value.Key))
    return Scalar(*Truth);
  if (std::optional<uint64_t> Number = File.getUInt(Value.Key))
    return Scalar(*Number);
  if (std::optional<int64_t> Number = File.getInt(Value.Key))
    return Scalar(*Number);
  // As a float it prints as it was meant: 1e-05, not 9.999999747378752e-06.
  if (std::optional<double> Number = File.getFloat(Value.Key))
    return Value.Type == GGUFValueType::F32 ? Scalar(static_cast<float>(*Number)) : Scalar(*Number);
  if (std::optional<std::string_view> Words = File.getString(Value.Key))
    return Scalar(std::string(*Words));
  return std::nullopt;
}

static std::string stringOf(const GGUFFile &File, std::string_view Key) {
  return std::string(File.getString(Key).value_or(""));
}

Inspection cli::inspectFile(const GGUFFile &File) {
  Inspection Facts;
  Facts.Path = File.path();
  Facts.FileBytes = File.fileBytes();
  Facts.Name = stringOf(File, "general.name");
  Facts.Architecture = stringOf(File, "general.architecture");
  Facts.TokenizerModel = stringOf(File, "tokenizer.ggml.model");
  Facts.PreTokenizer = stringOf(File, "tokenizer.ggml.pre");
  if (const GGUFValue *Tokens = File.findValue("tokenizer.ggml.tokens"))
    Facts.Tokens = Tokens->Type == GGUFValueType::Array ? Tokens->Count : 0;
  Facts.Parameters = countParameters(File);
  Facts.Tensors = File.tensors().size();
  Facts.Types = countTypes(File);
  std::string Prefix = Facts.Architecture + ".";
  for (const GGUFValue &Each : File.values()) {
    if (!Each.Key.starts_with(Prefix))
      continue;
    if (std::optional<Scalar> Value = scalarOf(File, Each))
      Facts.HyperParameters.push_back({std::string(Each.Key.substr(Prefix.size())), *Value});
  }
  return Facts;
}

static std::optional<Scalar> scalarOf(JsonValue Value) {
  if (std::optional<bool> Truth = Value.boolean())
    return Scalar(*Truth);
  if (std::optional<int64_t> Number = Value.integer())
    return Scalar(*Number);
  if (std::optional<double> Number = Value.number())
    return Scalar(*Number);
  if (std::optional<std::string_view> Words = Value.text())
    return Scalar(std::string(*Words));
  return std::nullopt;
}

Inspection cli::inspectFolder(const ModelFolder &Folder) {
  const SafetensorsFile &File = Folder.weights();
  Inspection Facts;
  Facts.Path = File.path();
  Facts.FileBytes = File.fileBytes();
  Facts.Name = Folder.path().substr(Folder.path().rfind('/') + 1);
  Facts.Architecture = Folder.modelType();
  Facts.Parameters = countParameters(File);
  Facts.Tensors = File.tensorCount();
  Facts.Types = countTypes(File);
  for (const auto &[Name, Value] : Folder.config().members())
    if (std::optional<Scalar> Known = scalarOf(Value))
      Facts.HyperParameters.push_back({std::string(Name), *Known});
  return Facts;
}

static std::string scalarText(const Scalar &Value) {
  if (const auto *Words = std::get_if<std::string>(&Value))
    return *Words;
  if (const auto *Truth = std::get_if<bool>(&Value))
    return *Truth ? "true" : "false";
  JsonWriter Number;
  std::visit([&](const auto &Any) { Number.value(Any); }, Value);
  std::string Text = Number.take();
  Text.pop_back();
  return Text;
}

/// One aligned line; what comes from the file cannot steer the terminal.
static std::string line(std::string Name, std::string_view Value) {
  constexpr size_t Column = 36;
  Name = escapeControls(Name);
  Name.resize(std::max(Name.size() + 1, Column), ' ');
  return Name + escapeControls(Value.empty() ? "-" : Value) + "\n";
}

static std::string fileLine(const std::string &Path, uint64_t Bytes) {
  return line("file", Path + " (" + formatBytes(Bytes) + ")");
}

static std::string parametersLine(uint64_t Parameters) {
  return line("parameters", formatFixed(static_cast<double>(Parameters) / 1e6, 2) + " M");
}

static std::string typeLines(const std::map<std::string, TypeCount> &Types) {
  std::string Out;
  for (const auto &[Type, Count] : Types)
    Out +=
        line("  " + Type, std::to_string(Count.Tensors) + " tensors, " + formatBytes(Count.Bytes));
  return Out;
}

static void writeTypes(JsonWriter &Json, const std::map<std::string, TypeCount> &Types) {
  Json.key("types").beginObject();
  for (const auto &[Type, Count] : Types)
    Json.key(Type)
        .beginObject()
        .field("tensors", Count.Tensors)
        .field("elements", Count.Elements)
        .field("bytes", Count.Bytes)
        .endObject();
  Json.endObject();
}

std::string cli::inspectTensors(const TensorFile &File, bool Json) {
  std::map<std::string, TypeCount> Types = countTypes(File);
  if (!Json)
    return fileLine(File.path(), File.fileBytes()) + parametersLine(countParameters(File)) +
           line("tensors", std::to_string(File.tensorCount())) + typeLines(Types);
  JsonWriter Out;
  Out.beginObject()
      .field("file", File.path())
      .field("bytes", File.fileBytes())
      .field("parameters", countParameters(File));
  writeTypes(Out, Types);
  return Out.endObject().take();
}

static std::string calibrationText(const CalibrationFacts &Facts) {
  std::string Exits;
  for (int64_t Layer : Facts.ExitLayers)
    Exits += (Exits.empty() ? ", exits behind layers " : ", ") + std::to_string(Layer);
  return std::to_string(Facts.Points) + " points" + Exits;
}

std::string Inspection::text() const {
  std::string Out = fileLine(Path, FileBytes) + line("name", Name) +
                    line("architecture", Architecture) + parametersLine(Parameters);
  for (const HyperParameter &Each : HyperParameters)
    Out += line("  " + Each.Name, scalarText(Each.Value));
  Out += line("tensors", std::to_string(Tensors)) + typeLines(Types);
  Out += line("tokenizer", TokenizerModel + (PreTokenizer.empty() ? "" : " / " + PreTokenizer) +
                               ", " + std::to_string(Tokens) + " tokens") +
         line("chat format", ChatFormat);
  if (!Artefact.empty())
    Out += line("artefact", Artefact) + line("  compiler", Compiler) + line("  weights", Weights);
  for (const CompiledCopy &Each : Copies)
    Out += line("  code for " + Each.Target, formatBytes(Each.Bytes));
  if (Calibrated)
    Out += line("  calibration", calibrationText(*Calibrated));
  if (!Labels.empty())
    Out += line("  classifier", std::to_string(Labels.size()) + " labels");
  if (!Memory)
    return Out + line("memory", "unknown without a program");
  return Out + line("program", Target + ", " + Precision) +
         line("memory at " + std::to_string(Memory->Context) + " positions",
              formatBytes(Memory->Weights + Memory->KV + Memory->Arena)) +
         line("  weights, packed", formatBytes(Memory->Weights)) +
         line("  KV cache, " + KVType, formatBytes(Memory->KV)) +
         line("  arena", formatBytes(Memory->Arena)) +
         line("  scratch, each worker", formatBytes(Memory->ScratchPerWorker));
}

static void writeArtefactFacts(JsonWriter &Json, const Inspection &Facts) {
  Json.key("artefact");
  if (Facts.Artefact.empty()) {
    Json.null();
    return;
  }
  Json.beginObject()
      .field("file", Facts.Artefact)
      .field("compiler", Facts.Compiler)
      .field("weights", Facts.Weights);
  Json.key("code").beginObject();
  for (const CompiledCopy &Each : Facts.Copies)
    Json.field(Each.Target, Each.Bytes);
  Json.endObject().key("labels").beginArray();
  for (const std::string &Each : Facts.Labels)
    Json.value(Each);
  Json.endArray().key("calibration");
  if (Facts.Calibrated) {
    Json.beginObject().field("points", static_cast<uint64_t>(Facts.Calibrated->Points));
    Json.key("exits").beginArray();
    for (int64_t Layer : Facts.Calibrated->ExitLayers)
      Json.value(Layer);
    Json.endArray().endObject();
  } else {
    Json.null();
  }
  Json.endObject();
}

static void writeMemory(JsonWriter &Json, const std::optional<MemoryNeed> &Memory) {
  Json.key("memory");
  if (!Memory) {
    Json.null();
    return;
  }
  Json.beginObject()
      .field("context", Memory->Context)
      .field("weights", Memory->Weights)
      .field("kv", Memory->KV)
      .field("arena", Memory->Arena)
      .field("scratch_per_worker", Memory->ScratchPerWorker)
      .endObject();
}

std::string Inspection::json() const {
  JsonWriter Json;
  Json.beginObject()
      .field("file", Path)
      .field("bytes", FileBytes)
      .field("name", Name)
      .field("architecture", Architecture)
      .field("parameters", Parameters);
  Json.key("hyper_parameters").beginObject();
  for (const HyperParameter &Each : HyperParameters)
    std::visit([&](const auto &Any) { Json.field(Each.Name, Any); }, Each.Value);
  Json.endObject();
  writeTypes(Json, Types);
  Json.key("tokenizer").beginObject();
  Json.field("model", TokenizerModel).field("pre", PreTokenizer).field("tokens", Tokens);
  Json.endObject().field("chat_format", ChatFormat);
  Json.field("target", Target).field("precision", Precision).field("kv_type", KVType);
  writeMemory(Json, Memory);
  writeArtefactFacts(Json, *this);
  return Json.endObject().take();
}
