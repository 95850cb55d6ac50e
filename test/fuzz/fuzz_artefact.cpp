//===- fuzz_artefact.cpp - Any bytes at all, as an artefact ---------------===//
//
// The bytes are taken as they are, and once more with the hashes put right, so
// that what lies behind the hashes is reached.  Code is never opened.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/ArtefactLayout.h"
#include "runtime/session/CompiledModel.h"
#include "runtime/support/Unaligned.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

using namespace lathe;

namespace {

/// Breaks the run when `Condition`, a promise of the reader, does not hold.
void demand(bool Condition) {
  if (!Condition)
    abort();
}

bool isInside(std::span<const uint8_t> Part, std::span<const uint8_t> Whole) {
  return Part.empty() ||
         (Part.data() >= Whole.data() && Part.data() + Part.size() <= Whole.data() + Whole.size());
}

void read(std::span<const uint8_t> Bytes) {
  Diagnostics Diags;
  std::optional<Artefact> Container = Artefact::parse(Bytes, "fuzz.lathe", Diags);
  demand(!Container == Diags.hasErrors());
  if (Container)
    for (const ArtefactSection &Each : Container->sections())
      demand(isInside(Each.Bytes, Bytes) && Container->find(Each.Kind, Each.Target) == &Each);
  demand(isInside(Artefact::insideExecutable(Bytes), Bytes));

  Diagnostics ModelDiags;
  std::shared_ptr<const CompiledModel> Model =
      CompiledModel::parse(Bytes, "fuzz.lathe", ModelDiags);
  demand(!Model == ModelDiags.hasErrors());
  demand(Model || ModelDiags.exitCode() == ExitCode::Malformed ||
         ModelDiags.exitCode() == ExitCode::VersionMismatch);
  if (!Model)
    return;
  Model->choose("host", "auto", "auto", ModelDiags);
  for (size_t I = 0; I < Model->targets().size(); ++I)
    demand(Model->codeBytes(I) <= Bytes.size());
  if (!Model->hasWeights())
    return;
  static const std::unique_ptr<WorkerPool> Workers = WorkerPool::create(1, ModelDiags);
  if (Model->isFolder()) {
    std::unique_ptr<ModelFolder> Folder = Model->openFolder("", ModelDiags);
    WeightFiles Files;
    if (Folder)
      Files.add(std::string(ModelFolder::WeightsName), Folder->weights());
    if (Folder)
      Model->loadWeights(Files, Model->targets().front(), *Workers, ModelDiags);
    return;
  }
  std::unique_ptr<GGUFFile> File = Model->openModel("", ModelDiags);
  if (File)
    Model->loadWeights(*File, Model->targets().front(), *Workers, ModelDiags);
}

/// Makes the hashes of the header, the table and the sections right.
void repair(std::vector<uint8_t> &Bytes) {
  using namespace artefact;
  if (Bytes.size() < sizeof(Header))
    return;
  auto Head = load<Header>(Bytes.data());
  std::memcpy(Head.Magic, Magic, sizeof(Magic));
  Head.Version = ArtefactVersion;
  Head.Sections %= 16;
  Head.FileBytes = Bytes.size();
  std::span<uint8_t> All = Bytes;
  if (uint64_t TableBytes = Head.Sections * sizeof(Entry);
      TableBytes <= All.size() - sizeof(Header)) {
    std::span<uint8_t> Table = All.subspan(sizeof(Header), TableBytes);
    for (size_t At = 0; At < TableBytes; At += sizeof(Entry)) {
      auto Each = load<Entry>(Table.data() + At);
      if (Each.Offset <= All.size() && Each.Bytes <= All.size() - Each.Offset)
        Each.Hash = hashBlocks(All.subspan(Each.Offset, Each.Bytes));
      store<Entry>(Table.data() + At, Each);
    }
    Head.TableHash = hashBlocks(Table);
  }
  store<Header>(All.data(), Head);
  Head.HeaderHash = hashBlocks(All.first(offsetof(Header, HeaderHash)));
  store<Header>(All.data(), Head);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size) {
  // A copy of exactly this size: reads past the end are seen.
  std::vector<uint8_t> Bytes(Data, Data + Size);
  read(Bytes);
  repair(Bytes);
  read(Bytes);
  return 0;
}
