//===- TensorFunction.cpp - A program that maps tensors to tensors --------===//

#include "runtime/session/TensorFunction.h"

#include "runtime/session/FindProgram.h"
#include "runtime/support/FaultList.h"
#include "runtime/support/MappedFile.h"
#include "runtime/support/Text.h"

#include "lathe/abi.h"

#include <algorithm>
#include <bit>

namespace lathe {

/// Programs are compiled for a power of two of rows, so that one serves many runs.
static constexpr uint64_t LeastRows = 64;

bool TensorFunction::findProgram(const std::string &Path, const FunctionOptions &Options,
                                 Diagnostics &Diags) {
  std::unique_ptr<MappedFile> Text = MappedFile::open(Path, Diags);
  if (!Text)
    return false;
  ProgramQuery Query;
  Query.Compile.Input = Path;
  Query.Compile.Target = Options.Target;
  Query.Compile.Precision = Options.Precision;
  Query.Compile.MaxPrefillRows = static_cast<int64_t>(
      std::bit_ceil(std::max<uint64_t>(static_cast<uint64_t>(Options.Rows), LeastRows)));
  Query.Compile.Passes = Options.Passes;
  // Weights are found when it runs.
  Query.Header = Options.Header.empty() ? Text->bytes() : Options.Header;
  Query.Name = Path.substr(Path.rfind('/') + 1);
  Query.UseCache = Options.UseCache;
  FoundProgram Found = lathe::findProgram(Query, Diags);
  Code = Found.Code;
  FromCache = Found.FromCache;
  return Code != nullptr;
}

/// The files that the program names stand below its own folder.
bool TensorFunction::openWeights(const std::string &Path, const FunctionOptions &Options,
                                 Diagnostics &Diags) {
  WeightFiles Found;
  auto Open = [&](const std::string &Name, const std::string &File) {
    std::unique_ptr<TensorFile> Opened = TensorFile::open(File, Diags);
    if (!Opened)
      return false;
    Found.add(Name, *Opened);
    Files.push_back(std::move(Opened));
    return true;
  };
  bool Sound = Options.Weights.empty() || Open("", Options.Weights);
  std::string Folder = Path.substr(0, Path.rfind('/') + 1);
  for (const ManifestWeight &Each : manifest().Weights)
    if (!Each.File.empty() && !Found.find(Each.File))
      Sound = Sound && Open(Each.File, Folder + Each.File);
  if (Sound)
    Weights = WeightStore::create(Found, manifest(), *Workers, SourcePages::Release,
                                  Options.NonFinite, Diags);
  return Weights != nullptr;
}

std::unique_ptr<TensorFunction>
TensorFunction::load(const std::string &Path, const FunctionOptions &Options, Diagnostics &Diags) {
  std::unique_ptr<TensorFunction> Result(new TensorFunction);
  Result->Workers = WorkerPool::create(Options.Threads, Diags);
  if (!Result->Workers || !Result->findProgram(Path, Options, Diags))
    return nullptr;
  if (!Result->manifest().isFunction()) {
    Diags.error(830, Path, "is a model, expected a function on tensors",
                "'lathe logits PROGRAM --weights FILE' runs it");
    return nullptr;
  }
  if (!Result->Code->checkHost(Diags) || !Result->openWeights(Path, Options, Diags))
    return nullptr;
  return Result;
}

static std::string shapeText(std::span<const int64_t> Shape) {
  std::string Text;
  for (int64_t Size : Shape)
    Text += (Text.empty() ? "" : " x ") + (Size == -1 ? "rows" : std::to_string(Size));
  return Text.empty() ? "one number" : Text;
}

static bool fits(const ManifestTensor &Wanted, std::span<const int64_t> Found) {
  if (Found.size() != Wanted.Shape.size())
    return false;
  for (size_t I = 0; I < Found.size(); ++I)
    if (Wanted.Shape[I] != Found[I] && !(I == 0 && Wanted.hasRows() && Found[I] > 0))
      return false;
  return true;
}

std::optional<int64_t> TensorFunction::findRows(std::span<const std::vector<int64_t>> Inputs,
                                                Diagnostics &Diags) const {
  FaultList Faults(Diags, "inputs");
  std::optional<int64_t> Rows;
  for (size_t I = 0; I < Inputs.size(); ++I) {
    const ManifestTensor &Wanted = manifest().Inputs[I];
    std::string Where = "input " + lathe::quoted(Wanted.Name);
    if (!fits(Wanted, Inputs[I]))
      Faults.error(832, Where,
                   "found " + shapeText(Inputs[I]) + ", expected " + shapeText(Wanted.Shape));
    else if (Wanted.hasRows() && Rows && *Rows != Inputs[I][0])
      Faults.error(832, Where,
                   "found " + std::to_string(Inputs[I][0]) + " rows, expected " +
                       std::to_string(*Rows) + " as the inputs before it have");
    else if (Wanted.hasRows())
      Rows = Inputs[I][0];
  }
  if (Faults.any())
    return std::nullopt;
  return Rows.value_or(1);
}

bool TensorFunction::run(std::span<const float *const> Inputs, std::span<float *const> Outputs,
                         int64_t Rows, Diagnostics &Diags) {
  const ManifestEntry &Entry = manifest().Entries.back();
  if (Rows < 1 || Rows > Entry.MaxRows) {
    Diags.error(805, "rows",
                "found " + std::to_string(Rows) + ", expected 1 to " +
                    std::to_string(Entry.MaxRows));
    return false;
  }
  constexpr int64_t Line = 64;
  int64_t Stride = (Entry.ScratchBytes + Line - 1) / Line * Line;
  auto Arena = MappedMemory::allocate(static_cast<size_t>(Entry.ArenaBytes));
  auto Scratch = MappedMemory::allocate(static_cast<size_t>(Stride * Workers->workers()));
  if (!Arena || !Scratch) {
    Diags.error(810, "arena",
                "no memory for " + formatBytes(static_cast<uint64_t>(Entry.ArenaBytes +
                                                                     Stride * Workers->workers())));
    return false;
  }
  std::vector<float *> Tensors;
  // Compiled code reads inputs alone.
  for (const float *Each : Inputs)
    Tensors.push_back(const_cast<float *>(Each));
  Tensors.insert(Tensors.end(), Outputs.begin(), Outputs.end());
  lathe_step_args Args = {};
  Args.arena = Arena->data();
  Args.scratch = Scratch->data();
  Args.scratch_stride = Stride;
  Args.weights = Weights->table();
  Args.rows = Rows;
  Args.tensors = Tensors.data();
  return Code->run(manifest().Entries.size() - 1, Args, *Workers, Diags);
}

} // namespace lathe
