//===- WeightStore.cpp - The packed weights of a program --------*- C++ -*-===//

#include "runtime/weights/WeightStore.h"

#include "runtime/support/CheckedMath.h"
#include "runtime/support/FaultList.h"
#include "runtime/support/Text.h"
#include "runtime/weights/Packer.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>

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

  /// The jobs so far whose weights are not all finite, and the first block of
  /// each that is not.
  const std::vector<std::pair<const GGUFTensor *, int64_t>> &nonFinite() const { return NonFinite; }

private:
  void packPanels(const PackJob &Job, std::span<const uint8_t> Source);
  void packVectorOf(const PackJob &Job, std::span<const uint8_t> Source);
  void doneWith(std::span<const uint8_t> Source) {
    if (Pages == SourcePages::Release)
      releaseFilePages(Source.data(), Source.size());
  }

  const GGUFFile &File;
  WorkerPool &Workers;
  SourcePages Pages;
  uint8_t *Destination;
  std::vector<std::pair<const GGUFTensor *, int64_t>> NonFinite;
};

constexpr int64_t AllFinite = std::numeric_limits<int64_t>::max();

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
                 "missing, expected " + std::string(fileFormat(*Weight.Format).Name) + " of " +
                     shapeText(Weight.Shape));
    return nullptr;
  }
  const BlockFormat &Expected = fileFormat(*Weight.Format);
  if (Tensor->Format == &Expected && Tensor->Shape == Weight.Shape)
    return Tensor;
  std::string Found = Tensor->Format ? std::string(Tensor->Format->Name)
                                     : "type " + std::to_string(Tensor->TypeNumber);
  Faults.error(631, Where,
               "found " + Found + " of " + shapeText(Tensor->Shape) + ", expected " +
                   std::string(Expected.Name) + " of " + shapeText(Weight.Shape));
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

static std::vector<uint64_t> offsetsOf(const std::vector<PackJob> &Jobs) {
  std::vector<uint64_t> Offsets;
  for (const PackJob &Job : Jobs)
    Offsets.push_back(Job.Offset);
  return Offsets;
}

void PackRun::pack(const PackJob &Job) {
  std::span<const uint8_t> Source = File.data(*Job.Tensor);
  if (Job.Weight->Layout == WeightLayout::Panel32)
    packPanels(Job, Source);
  else
    packVectorOf(Job, Source);
}

void PackRun::packVectorOf(const PackJob &Job, std::span<const uint8_t> Source) {
  const BlockFormat &Format = *Job.Weight->Format;
  int64_t Count = Job.Weight->Shape[0];
  if (auto Bad = findNonFiniteBlock(Format, Source.data(), Count / Format.BlockElements))
    NonFinite.emplace_back(Job.Tensor, *Bad);
  packVector(Format, Source.data(), Count, reinterpret_cast<float *>(Destination + Job.Offset));
  doneWith(Source);
}

/// Packs panels First <= p < Last, and looks for blocks that are not finite
/// right before, which also brings a panel's rows into the cache in the order of
/// memory.  The first such block, or AllFinite.
static int64_t packAndCheck(const PackJob &Job, std::span<const uint8_t> Source, int64_t First,
                            int64_t Last, uint8_t *Destination) {
  const BlockFormat &Format = *Job.Weight->Format;
  int64_t N = Job.Weight->Shape[0], K = Job.Weight->Shape[1];
  int64_t RowBlocks = K / Format.BlockElements, FirstBad = AllFinite;
  for (int64_t Panel = First; Panel < Last; ++Panel) {
    int64_t Block = Panel * PanelRows * RowBlocks;
    int64_t Count = std::min(PanelRows, N - Panel * PanelRows) * RowBlocks;
    auto Bad = findNonFiniteBlock(Format, Source.data() + Block * Format.BlockBytes, Count);
    if (Bad)
      FirstBad = std::min(FirstBad, Block + *Bad);
    packMatrix(Format, Source.data(), N, K, Panel, Panel + 1, Destination);
  }
  return FirstBad;
}

void PackRun::packPanels(const PackJob &Job, std::span<const uint8_t> Source) {
  const BlockFormat &Format = *Job.Weight->Format;
  int64_t N = Job.Weight->Shape[0], K = Job.Weight->Shape[1];
  int64_t PanelSourceBytes = PanelRows * (K / Format.BlockElements) * Format.BlockBytes;
  int64_t Panels = panelCount(N);
  int64_t PerSlice = std::max(SliceBytes / PanelSourceBytes, Workers.workers());
  std::vector<int64_t> FirstBad(static_cast<size_t>(Workers.workers()), AllFinite);
  for (int64_t First = 0; First < Panels; First += PerSlice) {
    int64_t Count = std::min(PerSlice, Panels - First);
    Workers.run([&](int64_t Worker, int64_t NumWorkers) {
      int64_t Bad =
          packAndCheck(Job, Source, First + Count * Worker / NumWorkers,
                       First + Count * (Worker + 1) / NumWorkers, Destination + Job.Offset);
      FirstBad[Worker] = std::min(FirstBad[Worker], Bad);
    });
    size_t Start = static_cast<size_t>(First * PanelSourceBytes);
    size_t Length = static_cast<size_t>(Count * PanelSourceBytes);
    doneWith(Source.subspan(Start, std::min(Length, Source.size() - Start)));
  }
  if (int64_t Bad = *std::min_element(FirstBad.begin(), FirstBad.end()); Bad != AllFinite)
    NonFinite.emplace_back(Job.Tensor, Bad);
}

/// Tells the tensors that are not finite; false when that is an error.
static bool reportNonFinite(const PackRun &Run, const std::string &Path, NonFiniteWeights Level,
                            Diagnostics &Diags) {
  auto Tell = Level == NonFiniteWeights::Error ? &Diagnostics::error : &Diagnostics::warning;
  size_t Told = std::min<size_t>(Run.nonFinite().size(), FaultList::Limit);
  for (size_t I = 0; I < Told; ++I) {
    auto [Tensor, Block] = Run.nonFinite()[I];
    (Diags.*Tell)(325, Path + ": tensor " + quoted(Tensor->Name),
                  "block " + std::to_string(Block) + " is not finite",
                  "the file is damaged, or was quantised from weights that were");
  }
  if (size_t Others = Run.nonFinite().size() - Told)
    (Diags.*Tell)(324, Path, std::to_string(Others) + " more faults are not listed", {});
  return Told == 0 || Level == NonFiniteWeights::Warning;
}

/// Calls `Body` with the whole huge pages of each worker inside [0, Bytes), and
/// what is left of the last.
template <typename Callable>
static void forEachShare(size_t Bytes, WorkerPool &Workers, Callable Body) {
  constexpr size_t HugePage = size_t(2) << 20;
  size_t Pages = (Bytes + HugePage - 1) / HugePage;
  Workers.run([&](int64_t Worker, int64_t NumWorkers) {
    size_t First = Pages * Worker / NumWorkers * HugePage;
    size_t Last = std::min(Pages * (Worker + 1) / NumWorkers * HugePage, Bytes);
    Body(First, Last - std::min(First, Last));
  });
}

/// Clearing fresh pages costs as much as packing: all workers share it, and large
/// pages spare most of the faults.
static void populate(MappedMemory &Memory, WorkerPool &Workers) {
  Memory.adviseHugePages();
  forEachShare(Memory.size(), Workers,
               [&](size_t Offset, size_t Bytes) { Memory.populate(Offset, Bytes); });
}

namespace {

/// Where in the cache the weights of one file belong.
class CachePlace {
public:
  CachePlace(const WeightCache *Wanted, const GGUFFile &File, const Manifest &Program,
             uint64_t Bytes)
      : Cache(File.identity() ? Wanted : nullptr), File(File), Bytes(Bytes) {
    if (Cache)
      Key = WeightCache::key(*File.identity(), File.headerBytes(), Program);
  }

  std::unique_ptr<MappedFile> find(Diagnostics &Diags) const {
    return Cache ? Cache->find(Key, Bytes, Diags) : nullptr;
  }

  /// Null when what is packed now is not to be kept.
  std::unique_ptr<WeightEntryWriter> create(Diagnostics &Diags) const {
    return Cache && isSettled() ? Cache->create(Key, Bytes, File.path(), Diags) : nullptr;
  }

  /// Whether the file is still the one that was opened.
  bool unchanged() const { return FileIdentity::of(File.path()) == *File.identity(); }

private:
  /// Whether the file was last changed long enough ago that a change from now on
  /// has another time: file systems count in steps, of up to two seconds.
  bool isSettled() const {
    using namespace std::chrono;
    constexpr nanoseconds Step = seconds(2);
    nanoseconds Now = system_clock::now().time_since_epoch();
    return Now - nanoseconds(File.identity()->ChangedNanoseconds) > Step;
  }

  const WeightCache *Cache;
  const GGUFFile &File;
  uint64_t Bytes;
  std::string Key;
};

} // namespace

void WeightStore::setTable(const uint8_t *First, std::span<const uint64_t> Offsets) {
  Start = First;
  for (uint64_t Offset : Offsets)
    Table.push_back(First + Offset);
}

/// Memory for the packed weights: a new entry's, else our own.  Null, with an error,
/// when there is none.
uint8_t *WeightStore::allocate(std::unique_ptr<WeightEntryWriter> Entry, WorkerPool &Workers,
                               Diagnostics &Diags) {
  NewEntry = std::move(Entry);
  if (NewEntry) {
    populate(NewEntry->memory(), Workers);
    return NewEntry->memory().data() + WeightEntryHeaderBytes;
  }
  std::optional<MappedMemory> Fresh = MappedMemory::allocate(Bytes);
  if (!Fresh) {
    Diags.error(810, "weights", "no memory for " + std::to_string(Bytes) + " bytes",
                "close other programs, or use a smaller model");
    return nullptr;
  }
  Memory = std::move(*Fresh);
  populate(Memory, Workers);
  return Memory.data();
}

/// A stray write of compiled code ends in a fault and not in a weight from now on.
bool WeightStore::seal(bool Keep, Diagnostics &Diags) {
  if (!(NewEntry ? NewEntry->memory() : Memory).protectReadOnly()) {
    Diags.error(810, "weights", "the system refused to make them read-only");
    return false;
  }
  if (NewEntry && Keep)
    NewEntry->keep();
  return true;
}

std::unique_ptr<WeightStore> WeightStore::create(const GGUFFile &File, const Manifest &Program,
                                                 WorkerPool &Workers, SourcePages Pages,
                                                 NonFiniteWeights NonFinite, Diagnostics &Diags,
                                                 const WeightCache *Cache) {
  unsigned ErrorsBefore = Diags.errorCount();
  std::optional<uint64_t> Size;
  std::vector<PackJob> Jobs = planJobs(File, Program, Size, Diags);
  if (Diags.errorCount() != ErrorsBefore)
    return nullptr;
  if (!Size) {
    Diags.error(810, "weights", "no memory for more than 2^64 bytes", "use a smaller model");
    return nullptr;
  }
  std::unique_ptr<WeightStore> Store(new WeightStore);
  Store->Bytes = *Size;
  std::vector<uint64_t> Offsets = offsetsOf(Jobs);
  CachePlace Place(Cache, File, Program, *Size);
  if (std::shared_ptr<const MappedFile> Entry = Place.find(Diags)) {
    std::span<const uint8_t> All = Entry->bytes();
    forEachShare(All.size(), Workers, [&](size_t Offset, size_t Bytes) {
      populateFilePages(All.data() + Offset, Bytes);
    });
    Store->setTable(All.data() + WeightEntryHeaderBytes, Offsets);
    Store->Owner = Entry;
    Store->FromCache = true;
    return Store;
  }
  uint8_t *Start = Store->allocate(Place.create(Diags), Workers, Diags);
  if (!Start && *Size != 0)
    return nullptr;
  Store->setTable(Start, Offsets);
  PackRun Run(File, Workers, Pages, Start);
  for (const PackJob &Job : Jobs)
    Run.pack(Job);
  if (!reportNonFinite(Run, File.path(), NonFinite, Diags) ||
      !Store->seal(Run.nonFinite().empty() && (!Store->NewEntry || Place.unchanged()), Diags))
    return nullptr;
  return Store;
}

std::unique_ptr<WeightStore> WeightStore::fromPacked(const GGUFFile &File, const Manifest &Program,
                                                     std::span<const uint8_t> Packed,
                                                     std::shared_ptr<const void> Owner,
                                                     Diagnostics &Diags) {
  unsigned ErrorsBefore = Diags.errorCount();
  std::optional<uint64_t> Bytes;
  std::vector<PackJob> Jobs = planJobs(File, Program, Bytes, Diags);
  if (Diags.errorCount() != ErrorsBefore)
    return nullptr;
  if (Bytes != Packed.size()) {
    Diags.error(632, File.path() + ": weights",
                "found " + std::to_string(Packed.size()) + " bytes, expected " +
                    (Bytes ? std::to_string(*Bytes) : "more than 2^64"),
                "compile the model again");
    return nullptr;
  }
  std::unique_ptr<WeightStore> Store(new WeightStore);
  Store->Owner = std::move(Owner);
  Store->Bytes = Packed.size();
  Store->setTable(Packed.data(), offsetsOf(Jobs));
  return Store;
}

} // namespace lathe
