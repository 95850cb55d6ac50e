//===- ApiModel.cpp - Models of lathe.h -------------------------*- C++ -*-===//

#include "runtime/api/Api.h"

#include "runtime/tokenizer/Tokenizer.h"

#include <cstddef>

using namespace lathe;
using namespace lathe::api;

const Tokenizer *SharedModel::vocabulary(Diagnostics &Diags) {
  if (Encodings)
    return &Encodings->tokenizer();
  std::call_once(Once, [&] {
    Made = Tokenizer::create(Source->file(), Faults);
    if (Made)
      Told.log(Faults);
  });
  if (!Made)
    Diags.append(Faults);
  return Made.get();
}

/// What is read of lathe_model_options besides those of Model.
struct OpenOptions {
  std::string Weights, CalibrationPath;
  ModelOptions Load;
};

static std::optional<OpenOptions> readOptions(const lathe_model_options *Given, Callbacks &Told,
                                              Diagnostics &Diags) {
  constexpr const char *Name = "lathe_model_options";
  // The size in version 1.0.
  constexpr size_t Least = offsetof(lathe_model_options, device);
  std::optional<lathe_model_options> Raw = readStruct(Given, Name, Least, Diags);
  if (!Raw || !checkFlags(Name, Raw->flags, LATHE_MODEL_NO_CACHE | LATHE_MODEL_STRICT, Diags))
    return std::nullopt;
  if (std::optional<Callbacks> Read = Callbacks::read(Raw->callbacks, Diags))
    Told = *Read;
  else
    return std::nullopt;
  OpenOptions Read;
  Read.Weights = Raw->weights ? Raw->weights : "";
  Read.CalibrationPath = Raw->calibration ? Raw->calibration : "";
  ModelOptions &Options = Read.Load;
  if (Raw->target)
    Options.Target = Raw->target;
  if (Raw->precision)
    Options.Precision = Raw->precision;
  if (Raw->device)
    Options.Device = Raw->device;
  // A negative number becomes one that is far too large, and is told as that.
  Options.Threads = static_cast<unsigned>(Raw->threads);
  Options.MaxPrefillRows = Raw->max_prefill_rows;
  Options.UseCache = !(Raw->flags & LATHE_MODEL_NO_CACHE);
  Options.NonFinite =
      Raw->flags & LATHE_MODEL_STRICT ? NonFiniteWeights::Error : NonFiniteWeights::Warning;
  Options.Capacity = std::max<int64_t>(Raw->capacity, 0);
  Options.Sequences = std::max<int64_t>(Raw->sequences, 1);
  Options.OnStage = [Told](LoadStage Next) {
    return Told.goOn(LATHE_PROGRESS_OPEN, static_cast<int64_t>(Next),
                     static_cast<int64_t>(LoadStage::Done));
  };
  return Read;
}

/// Loads a model file, or what was compiled of one.
static bool loadModel(ModelInput Input, OpenOptions &Options, SharedModel &Into,
                      Diagnostics &Diags) {
  Into.Measured = openCalibration(Options.CalibrationPath, Input, Diags);
  if (Diags.hasErrors())
    return false;
  ModelOptions &Load = Options.Load;
  // What is compiled already has the exits that it has.
  if (Into.Measured && !Input.Compiled)
    Load.Passes = Into.Measured->passes();
  if (Into.Measured && !Options.CalibrationPath.empty())
    Load.Calibrated = Into.Measured->File;
  Load.Compiled = std::move(Input.Compiled);
  Load.ProgramPath = std::move(Input.ProgramPath);
  Into.Source = Model::load(std::move(Input.File), Load, Diags);
  return Into.Source != nullptr;
}

/// Loads the folder of an encoder, or what was compiled of one.
static bool loadEncoder(ModelInput Input, OpenOptions &Options, SharedModel &Into,
                        Diagnostics &Diags) {
  if (!Options.CalibrationPath.empty())
    Into.Heads = ClassifierFile::open(Options.CalibrationPath, Diags);
  else if (Input.Compiled && !Input.Compiled->calibrationBytes().empty())
    Into.Heads = ClassifierFile::read(Input.Compiled->calibrationBytes(), Into.MeasuredIn, Diags);
  if (Diags.hasErrors())
    return false;
  Options.Load.Compiled = std::move(Input.Compiled);
  Into.Encodings = openEncoder(std::move(Input.Folder), Options.Load, Diags);
  return Into.Encodings &&
         (!Into.Heads || Into.Heads->checkModel(*Into.Encodings, Into.MeasuredIn, Diags));
}

static bool loadAny(const char *Path, OpenOptions &Options, SharedModel &Into, Diagnostics &Diags) {
  ModelInput Input = openAnyInput(Path, Options.Weights, Diags);
  Into.MeasuredIn = Options.CalibrationPath.empty() ? Path : Options.CalibrationPath;
  if (Input.Folder)
    return loadEncoder(std::move(Input), Options, Into, Diags);
  return Input.File && loadModel(std::move(Input), Options, Into, Diags);
}

static lathe_error *openModel(const char *Path, const lathe_model_options *Given,
                              lathe_model **Out) {
  Callbacks Told;
  bool Own = !Path && !ownModel().empty();
  if (Own)
    Path = ownModel().c_str();
  return guarded(
      [&](Diagnostics &Diags) {
        if (!checkGiven(Path, "path", Diags) || !checkGiven(Out, "model", Diags) ||
            (Own && !findCarried(Path, Diags)))
          return false;
        std::optional<OpenOptions> Options = readOptions(Given, Told, Diags);
        if (!Options)
          return false;
        auto Shared = std::make_shared<SharedModel>();
        Shared->Told = Told;
        if (!loadAny(Path, *Options, *Shared, Diags))
          return false;
        *Out = new lathe_model{std::move(Shared)};
        return true;
      },
      &Told);
}

static lathe_error *modelInfo(const lathe_model *Of, lathe_model_info *Out) {
  return guarded([&](Diagnostics &Diags) {
    if (!checkGiven(Of, "model", Diags))
      return false;
    const SharedModel &Shared = *Of->Shared;
    const Manifest &Program = Shared.manifest();
    const WorkerPool &Workers =
        Shared.Encodings ? Shared.Encodings->workers() : Shared.Source->workers();
    LoadReport Report = Shared.Encodings ? Shared.Encodings->report() : Shared.Source->report();
    size_t WeightBytes =
        Shared.Encodings ? Shared.Encodings->weights().bytes() : Shared.Source->weightBytes();
    lathe_model_info Info = {};
    Info.architecture = Program.Model.Architecture.c_str();
    Info.target = Program.Target.c_str();
    Info.precision = Program.Precision.c_str();
    Info.vocabulary = Program.Model.Vocabulary;
    Info.embedding = Program.Model.Embedding;
    Info.layers = Program.Model.Layers;
    Info.context = Program.Model.Context;
    Info.threads = Workers.workers();
    Info.weight_bytes = static_cast<int64_t>(WeightBytes);
    Info.cache_hit = Report.CacheHit;
    Info.compiled_ahead = Report.CompiledAhead;
    Info.compile_seconds = Report.CompileMilliseconds / 1000;
    Info.pack_seconds = Report.PackMilliseconds / 1000;
    return fillStruct(Out, Info, "lathe_model_info", sizeof(Info), Diags);
  });
}

static lathe_error *tokenize(const lathe_model *Of, const char *Text, size_t Size, uint32_t Flags,
                             int32_t *Tokens, size_t Capacity, size_t *Count) {
  return guarded([&](Diagnostics &Diags) {
    constexpr uint32_t Known = LATHE_TOKENIZE_ADD_SPECIAL | LATHE_TOKENIZE_PARSE_SPECIAL;
    if (!checkGiven(Of, "model", Diags) || !checkGiven(Count, "count", Diags) ||
        !checkArray(Text, Size, "text", Diags) || !checkArray(Tokens, Capacity, "tokens", Diags) ||
        !checkFlags("model_tokenize", Flags, Known, Diags))
      return false;
    const Tokenizer *Vocabulary = Of->Shared->vocabulary(Diags);
    if (!Vocabulary)
      return false;
    EncodeOptions Options;
    Options.AddSpecial = Flags & LATHE_TOKENIZE_ADD_SPECIAL;
    Options.ParseSpecial = Flags & LATHE_TOKENIZE_PARSE_SPECIAL;
    std::vector<int32_t> Ids = Vocabulary->encode({Size ? Text : "", Size}, Options);
    std::copy_n(Ids.begin(), std::min(Ids.size(), Capacity), Tokens);
    *Count = Ids.size();
    return true;
  });
}

static lathe_error *detokenize(const lathe_model *Of, const int32_t *Tokens, size_t Count,
                               uint32_t Flags, char *Text, size_t Capacity, size_t *Size) {
  return guarded([&](Diagnostics &Diags) {
    constexpr uint32_t Known = LATHE_DETOKENIZE_SHOW_CONTROL | LATHE_DETOKENIZE_CONTINUES;
    if (!checkGiven(Of, "model", Diags) || !checkGiven(Size, "size", Diags) ||
        !checkArray(Tokens, Count, "tokens", Diags) || !checkArray(Text, Capacity, "text", Diags) ||
        !checkFlags("model_detokenize", Flags, Known, Diags))
      return false;
    const Tokenizer *Vocabulary = Of->Shared->vocabulary(Diags);
    if (!Vocabulary)
      return false;
    StreamingDecoder Decoder(*Vocabulary, Flags & LATHE_DETOKENIZE_SHOW_CONTROL,
                             !(Flags & LATHE_DETOKENIZE_CONTINUES));
    std::string Whole;
    for (size_t I = 0; I < Count; ++I) {
      if (Tokens[I] < 0 || Tokens[I] >= Vocabulary->vocabularySize()) {
        Diags.error(801, "token " + std::to_string(I),
                    "found " + std::to_string(Tokens[I]) + ", expected 0 to " +
                        std::to_string(Vocabulary->vocabularySize() - 1));
        return false;
      }
      Decoder.push(Tokens[I], Whole);
    }
    Decoder.flush(Whole);
    std::copy_n(Whole.begin(), std::min(Whole.size(), Capacity), Text);
    *Size = Whole.size();
    return true;
  });
}

static lathe_error *specialTokens(const lathe_model *Of, int32_t *Start, int32_t *End) {
  return guarded([&](Diagnostics &Diags) {
    const Tokenizer *Vocabulary =
        checkGiven(Of, "model", Diags) ? Of->Shared->vocabulary(Diags) : nullptr;
    if (!Vocabulary)
      return false;
    if (Start)
      *Start = Vocabulary->bos();
    if (End)
      *End = Vocabulary->eos();
    return true;
  });
}

void api::addModels(lathe_api &Table) {
  Table.model_open = openModel;
  Table.model_destroy = [](lathe_model *Of) { delete Of; };
  Table.model_info = modelInfo;
  Table.model_tokenize = tokenize;
  Table.model_detokenize = detokenize;
  Table.model_special_tokens = specialTokens;
}
