//===- ModelArguments.cpp - Flags that several commands share ---------------===//

#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/Signals.h"

#include "runtime/support/Text.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

using namespace lathe;
using namespace lathe::cli;

/// Far above every model's context, and safely inside an int32_t position.
static constexpr int64_t MaxPositions = int64_t(1) << 30;

static constexpr size_t MaxTextBytes = size_t(64) << 20;

void cli::declareKVType(Options &Accepted, std::string &KVType) {
  Accepted.choice(KVType, "--kv-type", {"auto", "f32", "f16", "bf16", "int8"},
                  "KV cache (auto: by the CPU)");
}

static TargetResolver &targetResolver() {
  static TargetResolver Resolver = nullptr;
  return Resolver;
}

TargetResolverRegistration::TargetResolverRegistration(TargetResolver Resolver) {
  targetResolver() = Resolver;
}

void cli::declareTarget(Options &Accepted, std::string &Target, std::string Meta,
                        std::string Help) {
  Accepted.converted(Target, "--target", std::move(Meta), std::move(Help),
                     [](std::string &Given) -> std::optional<Diagnostic> {
                       return targetResolver() ? targetResolver()(Given) : std::nullopt;
                     });
}

void TargetArguments::declare(Options &Accepted) {
  Accepted.choice(Precision, "--precision", {"auto", "f32", "bf16", "mixed", "int16", "int8"},
                  "arithmetic");
  declareKVType(Accepted, KVType);
  // The compiler knows its targets; a program from the cache runs without it.
  declareTarget(Accepted, Target, "NAME", "CPU, and sizes (host; an error lists them)");
}

void ModelArguments::declareModel(Options &Accepted) {
  Accepted.positional(Path, "MODEL", "a GGUF file, or what 'lathe compile' made of one", true);
}

void ModelArguments::declareFlags(Options &Accepted) {
  Accepted.integer(Threads, "-t,--threads", "worker threads (all cores)",
                   {1, WorkerPool::MaxWorkers});
  Accepted.integer(Context, "--ctx", "most positions to hold", {1, MaxPositions});
  Accepted.integer(Chunk, "--chunk", "most prompt tokens in one call", {1, MaxPositions});
  Accepted.text(Device, "--device", "NAME", "what to run on: cpu, cuda:0, ... or auto (cpu)");
  Compile.declare(Accepted);
  Accepted.flag(NoCache, "--no-cache", "compile anew, store nothing");
  Accepted.text(Weights, "--weights", "FILE", "the model file, for a MODEL that names another");
  Accepted.flag(Strict, "--strict", "refuse weights that are infinite or not numbers");
}

void ModelArguments::declareLayers(Options &Accepted) {
  Accepted.text(Layers, "--layers", "LIST", "run these layers alone, as in 0-20,25 (all)");
  Accepted.text(Skip, "--skip", "LIST", "run all layers but these (none)");
  Accepted.text(Width, "--width", "X", "neurons of each layer: a share or a number (1)");
}

ModelInput ModelArguments::openFile(Diagnostics &Diags) const {
  ModelInput Input = openModelInput(*Path, Weights.value_or(""), Diags);
  if (Input.File && Input.Compiled)
    Input.Compiled->checkWeightsAhead();
  return Input;
}

ModelOptions ModelArguments::modelOptions(ModelInput &Input) const {
  ModelOptions Options;
  // A program that is there has a choice of widths, or has none.
  bool Chooses = Width && !Input.Compiled && Input.ProgramPath.empty();
  Options.Compiled = std::move(Input.Compiled);
  Options.ProgramPath = std::move(Input.ProgramPath);
  Options.Device = Device;
  Options.Target = Compile.Target;
  Options.Precision = Compile.Precision;
  Options.KVType = Compile.KVType;
  Options.Threads = static_cast<unsigned>(Threads.value_or(0));
  Options.UseCache = !NoCache;
  Options.NonFinite = Strict ? NonFiniteWeights::Error : NonFiniteWeights::Warning;
  Options.AnyResults = AnyResults;
  if (Exits) {
    Options.Passes = Exits->passes();
    Options.Calibrated = Exits->File;
  }
  if (Chooses)
    Options.Passes = Widths ? Widths->widthPasses(std::move(Options.Passes))
                            : withWidths(std::move(Options.Passes));
  if (Widths)
    Options.Calibrated = Widths->File;
  return Options;
}

std::optional<LoadedModel> ModelArguments::load(ModelInput Input, int64_t Sequences,
                                                int64_t DefaultCapacity, Terminal &Term,
                                                Diagnostics &Diags) const {
  Term.progress("loading " + *Path + " ...");
  SessionOptions Wanted;
  Wanted.Capacity = Context.value_or(DefaultCapacity);
  Wanted.Sequences = Sequences;
  Wanted.PrefillChunk = Chunk.value_or(0);
  Wanted.Cancel = interruptFlag();
  ModelOptions Options = modelOptions(Input);
  Options.Capacity = Wanted.Capacity;
  Options.Sequences = Sequences;
  LoadedModel Result;
  Result.Source = Model::load(std::move(Input.File), Options, Diags);
  if (Result.Source)
    Wanted.Layers = LayerMask::parse(Layers.value_or(""), Skip.value_or(""), Width.value_or(""),
                                     Result.Source->manifest(), Diags);
  if (Wanted.Layers)
    Result.Run = Result.Source->createSession(Wanted, Diags);
  if (!Result.Run)
    return std::nullopt;
  return Result;
}

std::optional<std::string> TextArguments::read(Diagnostics &Diags) const {
  if (File)
    return readTextFile(*File, Diags);
  return Argument ? Argument : Prompt;
}

/// The number that fits the reason why a file could not be opened or read.
static unsigned openFault(int Reason) {
  switch (Reason) {
  case ENOENT:
  case ENOTDIR:
    return 201;
  case EISDIR:
    return 202;
  case EACCES:
  case EPERM:
    return 203;
  default:
    return 205;
  }
}

/// Reads `Descriptor` to its end.
static std::optional<std::string> readAll(int Descriptor, const std::string &Name,
                                          Diagnostics &Diags) {
  std::string Text;
  char Buffer[1 << 16];
  while (Text.size() <= MaxTextBytes) {
    ssize_t Got = read(Descriptor, Buffer, sizeof(Buffer));
    if (Got == 0)
      return Text;
    if (Got < 0 && errno == EINTR)
      continue;
    if (Got < 0) {
      Diags.error(openFault(errno), Name, "cannot be read: " + describeErrno(errno));
      return std::nullopt;
    }
    Text.append(Buffer, static_cast<size_t>(Got));
  }
  Diags.error(207, Name,
              "found more than " + formatBytes(MaxTextBytes) + ", expected at most that");
  return std::nullopt;
}

std::optional<std::string> cli::readTextFile(const std::string &Path, Diagnostics &Diags) {
  if (Path == "-")
    return readAll(STDIN_FILENO, "standard input", Diags);
  int Descriptor = open(Path.c_str(), O_RDONLY | O_CLOEXEC);
  if (Descriptor == -1) {
    Diags.error(openFault(errno), Path, "cannot be opened: " + describeErrno(errno));
    return std::nullopt;
  }
  std::optional<std::string> Text = readAll(Descriptor, Path, Diags);
  close(Descriptor);
  return Text;
}
