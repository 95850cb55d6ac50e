//===- Exec.cpp - lathe exec ------------------------------------------------===//
//
// Runs @main of a program that is written as MLIR on arrays of numpy.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/NpyReader.h"
#include "tools/lathe/NpyWriter.h"

#include "runtime/session/TensorFunction.h"
#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

namespace {
class ExecCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  /// A file, and the place of the tensor that it is for.
  struct Binding {
    size_t Place;
    std::string File;
  };

  std::vector<NpyArray> readInputs(Diagnostics &Diags) const;
  std::unique_ptr<TensorFunction> load(const std::vector<NpyArray> &Arrays,
                                       Diagnostics &Diags) const;
  std::vector<Binding> bind(const std::vector<std::string> &Words,
                            const std::vector<ManifestTensor> &Tensors, const char *What,
                            Diagnostics &Diags) const;
  void compute(TensorFunction &Function, std::vector<NpyArray> Arrays, Terminal &Term,
               Diagnostics &Diags) const;

  std::optional<std::string> Path, Weights;
  std::vector<std::string> Inputs, Outputs;
  std::string Target = "host", Precision = "auto";
  std::optional<int64_t> Threads;
  bool NoCache = false, Strict = false;
};
} // namespace

void ExecCommand::declare(Options &Accepted) {
  Accepted.positional(Path, "PROGRAM", "a .mlir or .mlirbc file with @main", true);
  Accepted.texts(Inputs, "-i,--input", "NAME=FILE", "an input, as .npy; may stand several times");
  Accepted.texts(Outputs, "-o,--output", "NAME=FILE",
                 "where an output goes; without NAME, in the program's order");
  Accepted.text(Weights, "--weights", "FILE",
                "GGUF or safetensors, for weights that name no file of their own");
  Accepted.integer(Threads, "-t,--threads", "worker threads (all cores)",
                   {1, WorkerPool::MaxWorkers});
  Accepted.choice(Precision, "--precision", {"auto", "f32", "bf16", "mixed", "int16", "int8"},
                  "arithmetic");
  declareTarget(Accepted, Target, "NAME", "CPU, and sizes (host; an error lists them)");
  Accepted.flag(NoCache, "--no-cache", "compile anew, store nothing");
  Accepted.flag(Strict, "--strict", "refuse weights that are infinite or not numbers");
}

/// "NAME=FILE" in two; a name is no path.
static std::pair<std::string, std::string> split(const std::string &Word) {
  size_t Mark = Word.find('=');
  if (Mark == std::string::npos || Word.find('/') < Mark)
    return {"", Word};
  return {Word.substr(0, Mark), Word.substr(Mark + 1)};
}

static std::string namesOf(const std::vector<ManifestTensor> &Tensors) {
  std::string Text;
  for (const ManifestTensor &Each : Tensors)
    Text += (Text.empty() ? "" : ", ") + Each.Name;
  return Text.empty() ? "none" : Text;
}

/// In the order of the command line.
std::vector<NpyArray> ExecCommand::readInputs(Diagnostics &Diags) const {
  std::vector<NpyArray> Arrays;
  for (const std::string &Word : Inputs)
    if (std::optional<NpyArray> Array = readNpy(split(Word).second, Diags))
      Arrays.push_back(std::move(*Array));
  return Arrays;
}

/// How many rows there will be is not known before the program is, but no more
/// than the first sizes of the inputs.
std::unique_ptr<TensorFunction> ExecCommand::load(const std::vector<NpyArray> &Arrays,
                                                  Diagnostics &Diags) const {
  FunctionOptions Wanted;
  Wanted.Target = Target;
  Wanted.Precision = Precision;
  Wanted.Threads = static_cast<unsigned>(Threads.value_or(0));
  Wanted.UseCache = !NoCache;
  Wanted.Weights = Weights.value_or("");
  Wanted.NonFinite = Strict ? NonFiniteWeights::Error : NonFiniteWeights::Warning;
  for (const NpyArray &Each : Arrays)
    if (!Each.Shape.empty())
      Wanted.Rows = std::max(Wanted.Rows, Each.Shape[0]);
  constexpr int64_t MostRows = int64_t(1) << 20;
  if (Wanted.Rows > MostRows) {
    Diags.error(805, "rows",
                "found " + std::to_string(Wanted.Rows) + ", expected at most " +
                    std::to_string(MostRows));
    return nullptr;
  }
  return TensorFunction::load(*Path, Wanted, Diags);
}

/// Finds the tensor that each word is for: by its name, or the next in order.
std::vector<ExecCommand::Binding> ExecCommand::bind(const std::vector<std::string> &Words,
                                                    const std::vector<ManifestTensor> &Tensors,
                                                    const char *What, Diagnostics &Diags) const {
  std::vector<Binding> Bindings;
  std::vector<bool> Taken(Tensors.size());
  for (const std::string &Word : Words) {
    auto [Name, File] = split(Word);
    size_t Place = 0;
    if (Name.empty())
      Place = static_cast<size_t>(std::find(Taken.begin(), Taken.end(), false) - Taken.begin());
    else
      while (Place < Tensors.size() && Tensors[Place].Name != Name)
        ++Place;
    if (Place == Tensors.size() || Taken[Place]) {
      Diags.error(
          831, *Path,
          std::string("found ") + What + " " + lathe::quoted(Word) +
              (Place < Tensors.size() ? " for one that has a file, expected " : ", expected ") +
              namesOf(Tensors));
      continue;
    }
    Taken[Place] = true;
    Bindings.push_back({Place, File});
  }
  return Bindings;
}

static size_t elementsOf(const ManifestTensor &Tensor, int64_t Rows) {
  auto Count = static_cast<size_t>(Tensor.hasRows() ? Rows : 1);
  for (int64_t Size : Tensor.Shape)
    Count *= static_cast<size_t>(Size == -1 ? 1 : Size);
  return Count;
}

void ExecCommand::compute(TensorFunction &Function, std::vector<NpyArray> Arrays, Terminal &Term,
                          Diagnostics &Diags) const {
  const Manifest &Program = Function.manifest();
  std::vector<Binding> From = bind(Inputs, Program.Inputs, "the input", Diags);
  std::vector<Binding> To = bind(Outputs, Program.Outputs, "the output", Diags);
  if (!Diags.hasErrors() && From.size() < Program.Inputs.size())
    Diags.error(831, *Path,
                "found " + std::to_string(From.size()) + " inputs, expected " +
                    namesOf(Program.Inputs));
  if (Diags.hasErrors())
    return;
  std::vector<const float *> Sources(Program.Inputs.size());
  std::vector<std::vector<int64_t>> Shapes(Program.Inputs.size());
  for (size_t I = 0; I < From.size(); ++I) {
    Sources[From[I].Place] = Arrays[I].Data;
    Shapes[From[I].Place] = Arrays[I].Shape;
  }
  std::optional<int64_t> Rows = Function.findRows(Shapes, Diags);
  if (!Rows)
    return;
  std::vector<MappedMemory> Memory;
  std::vector<float *> Results;
  for (const ManifestTensor &Each : Program.Outputs) {
    auto Fresh = MappedMemory::allocate(elementsOf(Each, *Rows) * sizeof(float));
    if (!Fresh)
      return Diags.error(810, "output " + lathe::quoted(Each.Name), "found no memory for it");
    Results.push_back(reinterpret_cast<float *>(Fresh->data()));
    Memory.push_back(std::move(*Fresh));
  }
  if (!Function.run(Sources, Results, *Rows, Diags))
    return;
  std::vector<std::unique_ptr<OutputFile>> Files;
  for (const Binding &Each : To) {
    const ManifestTensor &Tensor = Program.Outputs[Each.Place];
    std::vector<int64_t> Shape = Tensor.Shape;
    if (Tensor.hasRows())
      Shape[0] = *Rows;
    Files.push_back(OutputFile::open(Each.File, *Path, Term, Diags));
    if (!Files.back() || !NpyWriter(*Files.back()).begin(Shape, Diags) ||
        !NpyWriter(*Files.back()).append({Results[Each.Place], elementsOf(Tensor, *Rows)}, Diags))
      return;
  }
  for (std::unique_ptr<OutputFile> &Each : Files)
    if (!Each->finish(Diags))
      return;
}

void ExecCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (Outputs.empty())
    Diags.error(108, "lathe exec", "found no -o, expected the name of a file to write",
                "'-o -' is standard output");
  std::vector<NpyArray> Arrays = readInputs(Diags);
  if (Diags.hasErrors())
    return;
  Term.progress("loading " + *Path + " ...");
  if (std::unique_ptr<TensorFunction> Function = load(Arrays, Diags))
    compute(*Function, std::move(Arrays), Term, Diags);
}

static CommandRegistration Registered({
    "exec",
    "run a function on tensors, written as MLIR, on .npy files",
    "  lathe exec mlp.mlir -i x.npy -o y.npy\n"
    "  lathe exec mixer.mlir -i x=x.npy -i state=s.npy -o y=y.npy -o state=next.npy\n"
    "  lathe exec mlp.mlir --weights mlp.gguf -i x.npy -o -\n",
    createCommand<ExecCommand>,
});
