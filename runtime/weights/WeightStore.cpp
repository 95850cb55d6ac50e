//===- WeightStore.cpp - The packed weights of a program --------*- C++ -*-===//

#include "runtime/weights/WeightStore.h"

#include "runtime/support/CheckedMath.h"
#include "runtime/support/FaultList.h"
#include "runtime/support/Text.h"
#include "runtime/weights/Packer.h"

#include <algorithm>
#include <optional>
#include <string>

namespace lathe {

/// Weights start on cache lines and on full vectors of every target.
static constexpr uint64_t WeightAlignment = 64;

/// Source bytes packed before their pages are given back: long enough for all
/// workers, short beside the whole file.
static constexpr int64_t SliceBytes = int64_t(16) << 20;

namespace {

/// One tensor to pack, and where to.
struct PackJob {
  const ManifestWeight *Weight;
  const GGUFTensor *Tensor;
  uint64_t Offset;
};

/// Packs tensors one after the other, each with all workers.
class PackRun {
public:
  PackRun(const GGUFFile &File, WorkerPool &Workers, SourcePages Pages, uint8_t *Destination)
      : File(File), Workers(Workers), Pages(Pages), Destination(Destination) {}

  void pack(const PackJob &Job);

private:
  void packPanels(const PackJob &Job, std::span<const uint8_t> Source);
  void doneWith(std::span<const uint8_t> Source) {
    if (Pages == SourcePages::Release)
      releaseFilePages(Source.data(), Source.size());
  }

  const GGUFFile &File;
  WorkerPool &Workers;
  SourcePages Pages;
  uint8_t *Destination;
};

} // namespace

static std::string shapeText(const std::vector<int64_t> &Shape) {
  std::string Text;
  for (int64_t Dimension : Shape)
    Text += (Text.empty() ? "" : " x ") + std::to_string(Dimension);
  return Text;
}

/// The tensor of `Weight` for layer `Ordinal`, or null with an error.
static const GGUFTensor *findTensor(const GGUFFile &File, const ManifestWeight &Weight,
                                    int64_t Ordinal, FaultList &Faults) {
  std::string Name = Weight.tensorName(Ordinal);
  std::string Where = "tensor " + quoted(Name);
  const GGUFTensor *Tensor = File.findTensor(Name);
  if (!Tensor) {
    Faults.error(630, Where,
                 "missing, expected " + std::string(Weight.Format->Name) + " of " +
                     shapeText(Weight.Shape));
    return nullptr;
  }
  if (Tensor->Format == Weight.Format && Tensor->Shape == Weight.Shape)
    return Tensor;
  std::string Found = Tensor->Format ? std::string(Tensor->Format->Name)
                                     : "type " + std::to_string(Tensor->TypeNumber);
  Faults.error(631, Where,
               "found " + Found + " of " + shapeText(Tensor->Shape) + ", expected " +
                   std::string(Weight.Format->Name) + " of " + shapeText(Weight.Shape));
  return nullptr;
}

/// Packed bytes of one tensor of `Weight`.  Cannot overflow: the shape is that
/// of a tensor inside the file, and packing keeps its size but for the padding
/// of the last panel and f32 vectors.
static uint64_t packedBytes(const ManifestWeight &Weight) {
  if (Weight.Layout == WeightLayout::Vector)
    return static_cast<uint64_t>(Weight.Shape[0]) * sizeof(float);
  return static_cast<uint64_t>(packedMatrixBytes(*Weight.Format, Weight.Shape[0], Weight.Shape[1]));
}

/// One job per pointer of the weight table, in its order; sets `Bytes` to the
/// size of all.  Tells every tensor that does not fit.
static std::vector<PackJob> planJobs(const GGUFFile &File, const Manifest &Program,
                                     std::optional<uint64_t> &Bytes, Diagnostics &Diags) {
  FaultList Faults(Diags, File.path());
  std::vector<PackJob> Jobs(Program.WeightTableSize);
  for (const ManifestWeight &Weight : Program.Weights)
    for (int64_t I = 0; I < Weight.tensorCount(); ++I)
      Jobs[Weight.First + I] = {&Weight, findTensor(File, Weight, I, Faults), 0};
  if (Faults.any())
    return {};
  Bytes = 0;
  for (PackJob &Job : Jobs) {
    Job.Offset = Bytes.value_or(0);
    if (Bytes)
      Bytes = checkedAdd(*Bytes, packedBytes(*Job.Weight));
    if (Bytes)
      Bytes = checkedAlign(*Bytes, WeightAlignment);
  }
  return Jobs;
}

void PackRun::pack(const PackJob &Job) {
  std::span<const uint8_t> Source = File.data(*Job.Tensor);
  if (Job.Weight->Layout == WeightLayout::Panel32)
    return packPanels(Job, Source);
  packVector(*Job.Weight->Format, Source.data(), Job.Weight->Shape[0],
             reinterpret_cast<float *>(Destination + Job.Offset));
  doneWith(Source);
}

void PackRun::packPanels(const PackJob &Job, std::span<const uint8_t> Source) {
  const BlockFormat &Format = *Job.Weight->Format;
  int64_t N = Job.Weight->Shape[0], K = Job.Weight->Shape[1];
  int64_t PanelSourceBytes = PanelRows * (K / Format.BlockElements) * Format.BlockBytes;
  int64_t Panels = panelCount(N);
  int64_t PerSlice = std::max(SliceBytes / PanelSourceBytes, Workers.workers());
  for (int64_t First = 0; First < Panels; First += PerSlice) {
    int64_t Count = std::min(PerSlice, Panels - First);
    Workers.run([&](int64_t Worker, int64_t NumWorkers) {
      packMatrix(Format, Source.data(), N, K, First + Count * Worker / NumWorkers,
                 First + Count * (Worker + 1) / NumWorkers, Destination + Job.Offset);
    });
    size_t Start = static_cast<size_t>(First * PanelSourceBytes);
    size_t Length = static_cast<size_t>(Count * PanelSourceBytes);
    doneWith(Source.subspan(Start, std::min(Length, Source.size() - Start)));
  }
}

std::unique_ptr<WeightStore> WeightStore::create(const GGUFFile &File, const Manifest &Program,
                                                 WorkerPool &Workers, SourcePages Pages,
                                                 Diagnostics &Diags) {
  unsigned ErrorsBefore = Diags.errorCount();
  std::optional<uint64_t> Bytes;
  std::vector<PackJob> Jobs = planJobs(File, Program, Bytes, Diags);
  if (Diags.errorCount() != ErrorsBefore)
    return nullptr;
  std::unique_ptr<WeightStore> Store(new WeightStore);
  std::optional<MappedMemory> Memory = Bytes ? MappedMemory::allocate(*Bytes) : std::nullopt;
  if (!Memory) {
    Diags.error(810, "weights",
                "no memory for " + (Bytes ? std::to_string(*Bytes) : "more than 2^64") + " bytes",
                "close other programs, or use a smaller model");
    return nullptr;
  }
  Store->Memory = std::move(*Memory);
  PackRun Run(File, Workers, Pages, Store->Memory.data());
  for (const PackJob &Job : Jobs) {
    Run.pack(Job);
    Store->Table.push_back(Store->Memory.data() + Job.Offset);
  }
  // A stray write of compiled code then ends in a fault and not in a weight.
  if (!Store->Memory.protectReadOnly()) {
    Diags.error(810, "weights", "the system refused to make them read-only");
    return nullptr;
  }
  return Store;
}

} // namespace lathe
