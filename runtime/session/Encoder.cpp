//===- Encoder.cpp - Texts to vectors -------------------------------------===//

#include "runtime/session/Encoder.h"

#include "runtime/session/PendingWeights.h"
#include "runtime/support/FaultList.h"
#include "runtime/support/Text.h"
#include "runtime/support/Timed.h"
#include "runtime/tokenizer/FolderTokenizer.h"

#include "lathe/abi.h"

#include <algorithm>
#include <cassert>
#include <cmath>

using namespace lathe;

//===----------------------------------------------------------------------===//
// Loading
//===----------------------------------------------------------------------===//

FoundProgram Encoder::findProgram(const EncoderOptions &Options, Diagnostics &Diags) const {
  if (Options.Compiled) {
    std::optional<size_t> Chosen =
        Options.Compiled->choose(Options.Target, Options.Precision, "auto", Diags);
    return {Chosen ? Options.Compiled->loadProgram(*Chosen, Diags) : nullptr};
  }
  ProgramQuery Query;
  Query.Compile.Input = Folder->path();
  Query.Compile.Target = Options.Target;
  Query.Compile.Precision = Options.Precision;
  Query.Compile.MaxPrefillRows = Options.MaxRows;
  std::vector<uint8_t> Header = Folder->headerBytes();
  Query.Header = Header;
  Query.Name = Folder->path().substr(Folder->path().rfind('/') + 1);
  Query.UseCache = Options.UseCache;
  return lathe::findProgram(Query, Diags);
}

bool Encoder::findCode(const EncoderOptions &Options, Diagnostics &Diags) {
  double Milliseconds = 0;
  FoundProgram Found = timed(Milliseconds, [&] { return findProgram(Options, Diags); });
  Code = Found.Code;
  Report.CompiledAhead = Options.Compiled != nullptr;
  Report.CacheHit = Found.FromCache;
  if (!Report.CompiledAhead)
    (Found.FromCache ? Report.CacheMilliseconds : Report.CompileMilliseconds) = Milliseconds;
  if (Code && !manifest().isEncoder()) {
    Diags.error(834, Folder->path(), "is no encoder, expected one",
                "a model that generates text runs with 'lathe run'");
    return false;
  }
  if (Code)
    Layers.emplace(manifest());
  return Code && Code->checkHost(Diags);
}

bool Encoder::packWeights(const EncoderOptions &Options, Diagnostics &Diags) {
  Report.WeightsEmbedded = Options.Compiled && Options.Compiled->hasWeights();
  WeightFiles Files;
  Files.add(std::string(ModelFolder::WeightsName), Folder->weights());
  Weights = timed(Report.PackMilliseconds, [&] {
    if (Report.WeightsEmbedded)
      return Options.Compiled->loadWeights(Files, manifest(), *Workers, Diags);
    // Pages come as they are read: of the table of words, which is half of all, few are.
    return lathe::packWeights(Files, manifest(), *Workers, Options.NonFinite, Options.UseCache,
                              Diags);
  });
  Report.WeightsFromCache = Weights && Weights->fromCache();
  return Weights != nullptr;
}

bool Encoder::allocate(Diagnostics &Diags) {
  constexpr int64_t Line = 64;
  ScratchStride = (entry().ScratchBytes + Line - 1) / Line * Line;
  int64_t ScratchBytes = ScratchStride * Workers->workers();
  auto Found = MappedMemory::allocate(static_cast<size_t>(entry().ArenaBytes));
  auto Private = MappedMemory::allocate(static_cast<size_t>(ScratchBytes));
  if (!Found || !Private) {
    auto Bytes = static_cast<uint64_t>(entry().ArenaBytes + ScratchBytes);
    Diags.error(810, "arena", "no memory for " + formatBytes(Bytes));
    return false;
  }
  Arena = std::move(*Found);
  Scratch = std::move(*Private);
  return true;
}

std::unique_ptr<Encoder> Encoder::load(std::unique_ptr<ModelFolder> Folder,
                                       const EncoderOptions &Options, Diagnostics &Diags) {
  if (!Folder)
    return nullptr;
  std::unique_ptr<Encoder> Result(new Encoder);
  Result->Folder = std::move(Folder);
  Result->Words = createFolderTokenizer(*Result->Folder, Diags);
  bool Read = Result->Facts.read(*Result->Folder, Diags);
  Result->Workers = WorkerPool::create(Options.Threads, Diags);
  auto Enter = [&](LoadStage Next) {
    if (!Options.OnStage || Options.OnStage(Next))
      return true;
    Diags.error(807, {}, "interrupted while the model was loaded");
    return false;
  };
  if (!Result->Words || !Read || !Result->Workers || !Enter(LoadStage::Program) ||
      !Result->findCode(Options, Diags) || !Enter(LoadStage::Weights) ||
      !Result->packWeights(Options, Diags) || !Result->allocate(Diags) || !Enter(LoadStage::Done))
    return nullptr;
  int64_t &Most = Result->Facts.MaxTokens;
  Most = std::min(Most > 0 ? Most : Result->manifest().Model.Context,
                  Result->manifest().Model.Context);
  return Result;
}

//===----------------------------------------------------------------------===//
// Texts
//===----------------------------------------------------------------------===//

/// Leaves `Most` tokens; the last of them, when it ends every text, stays the last.
static void cut(std::vector<int32_t> &Ids, size_t Most, int32_t End) {
  int32_t Last = Ids.back();
  Ids.resize(Most);
  if (Last == End)
    Ids.back() = Last;
}

std::vector<std::vector<int32_t>> Encoder::tokenize(std::span<const std::string_view> Texts,
                                                    Diagnostics &Diags, int64_t Wanted) const {
  auto Most = static_cast<size_t>(Wanted > 0 ? std::min(Wanted, Facts.MaxTokens) : Facts.MaxTokens);
  std::vector<std::vector<int32_t>> Result;
  size_t NumCut = 0;
  for (std::string_view Text : Texts) {
    // Every tokenizer of such a folder reads the names of control tokens in a text.
    Result.push_back(Words->encode(Text, {.AddSpecial = true, .ParseSpecial = true}));
    if (Result.back().size() <= Most)
      continue;
    cut(Result.back(), Most, Words->eos());
    ++NumCut;
  }
  if (NumCut != 0)
    Diags.warning(836, Folder->path(),
                  std::to_string(NumCut) + " of " + std::to_string(Texts.size()) +
                      " texts have more than " + std::to_string(Most) +
                      " tokens; the rest of them is left out");
  return Result;
}

bool Encoder::check(std::span<const std::vector<int32_t>> Texts, Diagnostics &Diags) const {
  FaultList Faults(Diags, "texts");
  int64_t Most = std::min(entry().MaxRows, manifest().Model.Context);
  for (size_t I = 0; I < Texts.size(); ++I) {
    std::string Where = "text " + std::to_string(I);
    if (Texts[I].empty())
      Faults.error(813, Where, "found no token, expected at least 1");
    if (static_cast<int64_t>(Texts[I].size()) > Most)
      Faults.error(814, Where,
                   "found " + std::to_string(Texts[I].size()) + " tokens, expected at most " +
                       std::to_string(Most));
    for (int32_t Token : Texts[I])
      if (Token < 0 || Token >= manifest().Model.Vocabulary) {
        Faults.error(801, Where,
                     "found token " + std::to_string(Token) + ", expected 0 to " +
                         std::to_string(manifest().Model.Vocabulary - 1));
        break;
      }
  }
  return !Faults.any();
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

bool Encoder::checkResumes(Diagnostics &Diags) const {
  if (entry().Resumes)
    return true;
  Diags.error(837, Folder->path(), "the program always runs all of its layers",
              "compile the model again with this version of lathe");
  return false;
}

/// The columns of a step of these texts.
void Encoder::prepare(std::span<const std::vector<int32_t>> Texts, Pooling Pool) {
  Tokens.clear(), Positions.clear(), Sequences.clear(), Wanted.clear();
  for (size_t I = 0; I < Texts.size(); ++I) {
    auto First = static_cast<int32_t>(Tokens.size()), Rows = static_cast<int32_t>(Texts[I].size());
    // The mean of the rows up to the first is the first (lathe.pool).
    Wanted.push_back(Pool == Pooling::First ? First : First + Rows - 1);
    Tokens.insert(Tokens.end(), Texts[I].begin(), Texts[I].end());
    Sequences.insert(Sequences.end(), Texts[I].size(), static_cast<int32_t>(I));
    for (int32_t Position = 0; Position < Rows; ++Position)
      Positions.push_back(Position);
  }
}

/// Runs the step that `prepare` laid out from the tokens, or from layer `Resumed` on where
/// another part ended, up to layer `End`.
bool Encoder::runPart(std::optional<int64_t> Resumed, int64_t End, float *Out, Diagnostics &Diags) {
  lathe_step_args Args = {};
  Args.arena = Arena.data();
  Args.scratch = Scratch.data();
  Args.scratch_stride = ScratchStride;
  Args.weights = Weights->table();
  Args.rows = static_cast<int64_t>(Tokens.size());
  Args.token = Tokens.data();
  Args.position = Positions.data();
  Args.sequence = Sequences.data();
  Args.logits_rows = static_cast<int64_t>(Wanted.size());
  Args.logits_row = Wanted.data();
  Args.logits = Out;
  Args.layer_runs = Layers->runs();
  Args.resumes = Resumed.has_value();
  Args.first_layer = Resumed.value_or(0);
  Args.layers_left = manifest().Model.Layers - End;
  return Code->run(manifest().Entries.size() - 1, Args, *Workers, Diags);
}

/// All depths of the `Texts` that `prepare` laid out.
bool Encoder::runDepths(size_t Texts, float *Out, Diagnostics &Diags) {
  auto Width = static_cast<size_t>(width()), Depths = static_cast<size_t>(depths());
  AtOneDepth.resize(Texts * Width);
  for (size_t D = 0; D < Depths; ++D) {
    auto End = static_cast<int64_t>(D);
    std::optional<int64_t> Resumed = D == 0 ? std::nullopt : std::optional(End - 1);
    if (!runPart(Resumed, End, AtOneDepth.data(), Diags))
      return false;
    for (size_t I = 0; I < Texts; ++I)
      std::copy_n(AtOneDepth.data() + I * Width, Width, Out + (I * Depths + D) * Width);
  }
  return true;
}

/// How many of the first texts fit into one step.
size_t Encoder::countTogether(std::span<const std::vector<int32_t>> Texts) const {
  size_t Count = 0;
  for (auto Room = static_cast<size_t>(entry().MaxRows);
       Count < Texts.size() && Texts[Count].size() <= Room; ++Count)
    Room -= Texts[Count].size();
  return Count;
}

/// Calls `Run(first, count)` for the texts of each step in turn.
template <typename Callable>
bool Encoder::runAll(std::span<const std::vector<int32_t>> Texts, const std::atomic<bool> *Cancel,
                     Diagnostics &Diags, Callable &&Run) {
  for (size_t First = 0; First < Texts.size();) {
    if (Cancel && Cancel->load(std::memory_order_relaxed)) {
      Diags.error(807, {},
                  "interrupted with " + std::to_string(Texts.size() - First) + " texts to go");
      return false;
    }
    size_t Count = countTogether(Texts.subspan(First));
    if (!Run(First, Count))
      return false;
    First += Count;
  }
  return true;
}

/// To the length 1; a vector of zeros stays one.
static void normalize(std::span<float> Vector) {
  double Squares = 0;
  for (float Each : Vector)
    Squares += static_cast<double>(Each) * Each;
  double Length = std::sqrt(Squares);
  if (Length == 0)
    return;
  for (float &Each : Vector)
    Each = static_cast<float>(Each / Length);
}

bool Encoder::encode(std::span<const std::vector<int32_t>> Texts, Pooling Pool, bool Normalize,
                     float *Out, Diagnostics &Diags, const std::atomic<bool> *Cancel) {
  auto Width = static_cast<size_t>(width());
  auto Run = [&](size_t First, size_t Count) {
    prepare(Texts.subspan(First, Count), Pool);
    return runPart(std::nullopt, manifest().Model.Layers, Out + First * Width, Diags);
  };
  if (!check(Texts, Diags) || !runAll(Texts, Cancel, Diags, Run))
    return false;
  for (size_t I = 0; Normalize && I < Texts.size(); ++I)
    normalize({Out + I * Width, Width});
  return true;
}

bool Encoder::encodeDepths(std::span<const std::vector<int32_t>> Texts, Pooling Pool, float *Out,
                           Diagnostics &Diags, const std::atomic<bool> *Cancel) {
  auto Stride = static_cast<size_t>(width() * depths());
  auto Run = [&](size_t First, size_t Count) {
    prepare(Texts.subspan(First, Count), Pool);
    return runDepths(Count, Out + First * Stride, Diags);
  };
  return checkResumes(Diags) && check(Texts, Diags) && runAll(Texts, Cancel, Diags, Run);
}

bool Encoder::begin(const std::vector<int32_t> &Text, Pooling Pool, float *Out,
                    Diagnostics &Diags) {
  if (!checkResumes(Diags) || !check({&Text, 1}, Diags))
    return false;
  prepare({&Text, 1}, Pool);
  Depth = 0;
  return runPart(std::nullopt, 0, Out, Diags);
}

bool Encoder::advance(float *Out, Diagnostics &Diags) {
  assert(Depth < manifest().Model.Layers && "there is no layer to run");
  ++Depth;
  return runPart(Depth - 1, Depth, Out, Diags);
}
