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
static constexpr int64_t SliceBytes = int64_t(4) << 20;

namespace {

/// One tensor to pack, and where to.
struct PackJob {
  const ManifestWeight *Weight;
  const TensorFile *File;
  const FileTensor *Tensor;
  uint64_t Offset;
};

/// Packs tensors one after the other, each with all workers.
class PackRun {
public:
  /// Packs to `Start` bytes into `Memory`.  `ToFile`: that is a file's, so that pages
  /// come slice by slice and go again, while a compiler may need the room.
  PackRun(WorkerPool &Workers, SourcePages Pages, MappedMemory &Memory, size_t Start, bool ToFile)
      : Workers(Workers), Pages(Pages), Memory(Memory), Start(Start), ToFile(ToFile) {}

  void pack(const PackJob &Job);

  /// The jobs so far whose weights are not all finite, and the first block of
  /// each that is not.
  const std::vector<std::pair<PackJob, int64_t>> &nonFinite() const { return NonFinite; }

private:
  void packPanels(const PackJob &Job, std::span<const uint8_t> Source);
  void packVectorOf(const PackJob &Job, std::span<const uint8_t> Source);
  void copyPlain(const PackJob &Job, std::span<const uint8_t> Source);
  uint8_t *destination(const PackJob &Job) const { return Memory.data() + Start + Job.Offset; }
  /// Clears the pages of panels First <= p < Last in one call.
  void prepare(const PackJob &Job, int64_t First, int64_t Last) {
    auto Panel =
        static_cast<uint64_t>(packedPanelBytes(*Job.Weight->Format, Job.Weight->columns()));
    if (ToFile)
      Memory.populate(Start + Job.Offset + static_cast<uint64_t>(First) * Panel,
                      static_cast<uint64_t>(Last - First) * Panel);
  }
  /// Gives back the source's pages, and those of what was made of it.
  void doneWith(std::span<const uint8_t> Source, std::span<const uint8_t> Packed) {
    if (Pages == SourcePages::Release)
      releaseFilePages(Source.data(), Source.size());
    if (ToFile)
      releaseFilePages(Packed.data(), Packed.size());
  }

  WorkerPool &Workers;
  SourcePages Pages;
  MappedMemory &Memory;
  size_t Start;
  bool ToFile;
  std::vector<std::pair<PackJob, int64_t>> NonFinite;
};

constexpr int64_t AllFinite = std::numeric_limits<int64_t>::max();

} // namespace

static std::string shapeText(const std::vector<int64_t> &Shape) {
  std::string Text;
  for (int64_t Dimension : Shape)
    Text += (Text.empty() ? "" : " x ") + std::to_string(Dimension);
  return Text;
}

/// Vectors are f32 when they are packed, whatever float they are in the file.
static bool fits(const FileTensor &Tensor, const ManifestWeight &Weight) {
  bool Converts = Weight.Layout == WeightLayout::Vector && Tensor.Format &&
                  !Tensor.Format->Quantized && !Weight.Format->Quantized;
  bool Same = Tensor.Format == &fileFormat(*Weight.Format);
  return (Same || Converts) && Tensor.Shape == Weight.Shape;
}

/// The tensor of `Weight` for layer `Ordinal`, or null with an error at `Place` in
/// the list's input.
static const FileTensor *findTensor(const TensorFile &File, const ManifestWeight &Weight,
                                    int64_t Ordinal, const std::string &Place, FaultList &Faults) {
  std::string Name = Weight.tensorName(Ordinal);
  std::string Where = Place + "tensor " + quoted(Name);
  const FileTensor *Tensor = File.findTensor(Name);
  if (!Tensor) {
    Faults.error(630, Where,
                 "missing, expected " + std::string(fileFormat(*Weight.Format).Name) + " of " +
                     shapeText(Weight.Shape));
    return nullptr;
  }
  if (fits(*Tensor, Weight))
    return Tensor;
  Faults.error(631, Where,
               "found " + File.typeName(*Tensor) + " of " + shapeText(Tensor->Shape) +
                   ", expected " + std::string(fileFormat(*Weight.Format).Name) + " of " +
                   shapeText(Weight.Shape));
  return nullptr;
}

/// Packed bytes of one tensor of `Weight`.  Cannot overflow: the shape is that
/// of a tensor inside the file, and packing keeps its size but for the padding
/// of the last panel and f32 vectors.
static uint64_t packedBytes(const ManifestWeight &Weight) {
  if (Weight.Layout == WeightLayout::Vector)
    return static_cast<uint64_t>(Weight.Shape[0]) * sizeof(float);
  if (Weight.Layout == WeightLayout::Plain) {
    auto Bytes = static_cast<uint64_t>(Weight.Format->BlockBytes);
    for (int64_t Size : Weight.Shape)
      Bytes *= static_cast<uint64_t>(Size);
    return Bytes;
  }
  return static_cast<uint64_t>(packedMatrixBytes(*Weight.Format, Weight.rows(), Weight.columns()));
}

/// One job per pointer of the weight table, in its order; sets `Bytes` to the
/// size of all.  Tells every tensor that does not fit.
static std::vector<PackJob> planJobs(const WeightFiles &Files, const Manifest &Program,
                                     std::optional<uint64_t> &Bytes, Diagnostics &Diags) {
  const TensorFile *Only = Files.only();
  FaultList Faults(Diags, Only ? Only->path() : "weights");
  std::vector<PackJob> Jobs(Program.WeightTableSize);
  for (const ManifestWeight &Weight : Program.Weights) {
    const TensorFile *File = Files.find(Weight.File);
    if (!File) {
      Faults.error(633, "weight " + quoted(Weight.Symbol),
                   Weight.File.empty() ? "names no file, and there is none for those that do not"
                                       : "is in " + quoted(Weight.File) + ", which is not open",
                   "name the file with --weights or --cal, or in the program");
      continue;
    }
    std::string Place = Only ? "" : File->path() + ": ";
    for (int64_t I = 0; I < Weight.tensorCount(); ++I)
      Jobs[Weight.First + I] = {&Weight, File, findTensor(*File, Weight, I, Place, Faults), 0};
  }
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
  std::span<const uint8_t> Source = Job.File->data(*Job.Tensor);
  if (Job.Weight->Layout == WeightLayout::Panel32)
    packPanels(Job, Source);
  else if (Job.Weight->Layout == WeightLayout::Plain)
    copyPlain(Job, Source);
  else
    packVectorOf(Job, Source);
}

void PackRun::packVectorOf(const PackJob &Job, std::span<const uint8_t> Source) {
  const BlockFormat &Format = *Job.Tensor->Format;
  int64_t Count = Job.Weight->Shape[0];
  if (auto Bad = findNonFiniteBlock(Format, Source.data(), Count / Format.BlockElements))
    NonFinite.emplace_back(Job, *Bad);
  packVector(Format, Source.data(), Count, reinterpret_cast<float *>(destination(Job)));
  doneWith(Source, {});
}

void PackRun::copyPlain(const PackJob &Job, std::span<const uint8_t> Source) {
  const BlockFormat &Format = *Job.Weight->Format;
  auto Blocks = static_cast<int64_t>(Source.size()) / Format.BlockBytes;
  if (auto Bad = findNonFiniteBlock(Format, Source.data(), Blocks))
    NonFinite.emplace_back(Job, *Bad);
  std::copy(Source.begin(), Source.end(), destination(Job));
  doneWith(Source, {destination(Job), Source.size()});
}

/// Packs panels First <= p < Last, and looks for blocks that are not finite
/// right before, which also brings a panel's rows into the cache in the order of
/// memory.  The first such block, or AllFinite.
static int64_t packAndCheck(const PackJob &Job, std::span<const uint8_t> Source, int64_t First,
                            int64_t Last, uint8_t *Destination) {
  const BlockFormat &Format = *Job.Weight->Format;
  int64_t N = Job.Weight->rows(), K = Job.Weight->columns();
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
  int64_t N = Job.Weight->rows(), K = Job.Weight->columns();
  int64_t PanelSourceBytes = PanelRows * (K / Format.BlockElements) * Format.BlockBytes;
  int64_t PackedPanelBytes = packedPanelBytes(Format, K);
  int64_t Panels = panelCount(N);
  int64_t PerSlice = std::max(SliceBytes / PanelSourceBytes, Workers.workers());
  std::vector<int64_t> FirstBad(static_cast<size_t>(Workers.workers()), AllFinite);
  for (int64_t First = 0; First < Panels; First += PerSlice) {
    int64_t Count = std::min(PerSlice, Panels - First);
    Workers.run([&](int64_t Worker, int64_t NumWorkers) {
      int64_t From = First + Count * Worker / NumWorkers;
      int64_t To = First + Count * (Worker + 1) / NumWorkers;
      prepare(Job, From, To);
      int64_t Bad = packAndCheck(Job, Source, From, To, destination(Job));
      FirstBad[Worker] = std::min(FirstBad[Worker], Bad);
    });
    auto Begin = static_cast<size_t>(First * PanelSourceBytes);
    auto Length = static_cast<size_t>(Count * PanelSourceBytes);
    doneWith(Source.subspan(Begin, std::min(Length, Source.size() - Begin)),
             {destination(Job) + First * PackedPanelBytes,
              static_cast<size_t>(Count * PackedPanelBytes)});
  }
  if (int64_t Bad = *std::min_element(FirstBad.begin(), FirstBad.end()); Bad != AllFinite)
    NonFinite.emplace_back(Job, Bad);
}

/// Tells the tensors that are not finite; false when that is an error.
static bool reportNonFinite(const PackRun &Run, NonFiniteWeights Level, Diagnostics &Diags) {
  auto Tell = Level == NonFiniteWeights::Error ? &Diagnostics::error : &Diagnostics::warning;
  size_t Told = std::min<size_t>(Run.nonFinite().size(), FaultList::Limit);
  for (size_t I = 0; I < Told; ++I) {
    const auto &[Job, Block] = Run.nonFinite()[I];
    (Diags.*Tell)(325, Job.File->path() + ": tensor " + quoted(Job.Tensor->Name),
                  "block " + std::to_string(Block) + " is not finite",
                  "the file is damaged, or was quantised from weights that were");
  }
  if (size_t Others = Run.nonFinite().size() - Told)
    (Diags.*Tell)(324, Run.nonFinite().front().first.File->path(),
                  std::to_string(Others) + " more faults are not listed", {});
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
static void clear(MappedMemory &Memory, WorkerPool &Workers) {
  Memory.adviseHugePages();
  forEachShare(Memory.size(), Workers,
               [&](size_t Offset, size_t Bytes) { Memory.populate(Offset, Bytes); });
}

namespace {

/// Where in the cache the weights of one file belong; those of bytes in memory nowhere.
class CachePlace {
public:
  CachePlace(const WeightCache *Wanted, const TensorFile *File, const Manifest &Program,
             uint64_t Bytes)
      : Cache(File && File->identity() ? Wanted : nullptr), File(File), Bytes(Bytes) {
    if (Cache)
      Key = WeightCache::key(*File->identity(), File->headerBytes(), Program);
  }

  std::unique_ptr<MappedFile> find(Diagnostics &Diags) const {
    return Cache ? Cache->find(Key, Bytes, Diags) : nullptr;
  }

  /// Null when what is packed now is not to be kept.
  std::unique_ptr<WeightEntryWriter> create(Diagnostics &Diags) const {
    return Cache && isSettled() ? Cache->create(Key, Bytes, File->path(), Diags) : nullptr;
  }

  /// Whether the file is still the one that was opened.
  bool unchanged() const { return FileIdentity::of(File->path()) == *File->identity(); }

private:
  /// Whether the file was last changed long enough ago that a change from now on
  /// has another time: file systems count in steps, of up to two seconds.
  bool isSettled() const {
    using namespace std::chrono;
    constexpr nanoseconds Step = seconds(2);
    nanoseconds Now = system_clock::now().time_since_epoch();
    return Now - nanoseconds(File->identity()->ChangedNanoseconds) > Step;
  }

  const WeightCache *Cache;
  const TensorFile *File;
  uint64_t Bytes;
  std::string Key;
};

} // namespace

void WeightStore::setTable(const uint8_t *First, std::span<const uint64_t> Offsets) {
  Start = First;
  for (uint64_t Offset : Offsets)
    Table.push_back(First + Offset);
}

/// Memory for the packed weights: a new entry's, whose pages come as it is filled,
/// else our own.  Null, with an error, when there is none.
uint8_t *WeightStore::allocate(std::unique_ptr<WeightEntryWriter> Entry, WorkerPool &Workers,
                               Diagnostics &Diags) {
  NewEntry = std::move(Entry);
  if (NewEntry)
    return NewEntry->memory().data() + WeightEntryHeaderBytes;
  std::optional<MappedMemory> Fresh = MappedMemory::allocate(Bytes);
  if (!Fresh) {
    Diags.error(810, "weights", "no memory for " + std::to_string(Bytes) + " bytes",
                "close other programs, or use a smaller model");
    return nullptr;
  }
  Memory = std::move(*Fresh);
  clear(Memory, Workers);
  return Memory.data();
}

void WeightStore::populate(WorkerPool &Workers) const {
  for (const std::unique_ptr<WeightStore> &Each : Parts)
    Each->populate(Workers);
  if (NewEntry || FromCache)
    forEachShare(Bytes, Workers,
                 [&](size_t Offset, size_t Length) { populateFilePages(Start + Offset, Length); });
}

void WeightStore::release(size_t Offset, size_t Count) const {
  if (NewEntry || FromCache)
    releaseFilePages(Start + Offset, Count);
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

std::unique_ptr<WeightStore> WeightStore::create(const WeightFiles &Files, const Manifest &Program,
                                                 WorkerPool &Workers, SourcePages Pages,
                                                 NonFiniteWeights NonFinite, Diagnostics &Diags,
                                                 const WeightCache *Cache) {
  unsigned ErrorsBefore = Diags.errorCount();
  std::optional<uint64_t> Size;
  std::vector<PackJob> Jobs = planJobs(Files, Program, Size, Diags);
  if (Diags.errorCount() != ErrorsBefore)
    return nullptr;
  if (!Size) {
    Diags.error(810, "weights", "no memory for more than 2^64 bytes", "use a smaller model");
    return nullptr;
  }
  if (Cache && !Files.only())
    return createParts(Files, Program, Workers, Pages, NonFinite, Diags, *Cache);
  std::unique_ptr<WeightStore> Store(new WeightStore);
  Store->Bytes = *Size;
  std::vector<uint64_t> Offsets = offsetsOf(Jobs);
  CachePlace Place(Cache, Files.only(), Program, *Size);
  if (std::shared_ptr<const MappedFile> Entry = Place.find(Diags)) {
    Store->setTable(Entry->bytes().data() + WeightEntryHeaderBytes, Offsets);
    Store->Owner = Entry;
    Store->FromCache = true;
    return Store;
  }
  uint8_t *Start = Store->allocate(Place.create(Diags), Workers, Diags);
  if (!Start && *Size != 0)
    return nullptr;
  Store->setTable(Start, Offsets);
  bool ToFile = Store->NewEntry != nullptr;
  MappedMemory &Target = ToFile ? Store->NewEntry->memory() : Store->Memory;
  PackRun Run(Workers, Pages, Target, ToFile ? WeightEntryHeaderBytes : 0, ToFile);
  for (const PackJob &Job : Jobs)
    Run.pack(Job);
  if (!reportNonFinite(Run, NonFinite, Diags) ||
      !Store->seal(Run.nonFinite().empty() && (!Store->NewEntry || Place.unchanged()), Diags))
    return nullptr;
  return Store;
}

/// The program as far as its weights are in the file of that name: a program without the
/// others has the same places in its table.
static Manifest partOf(const Manifest &Program, const std::string &File) {
  Manifest Part = Program;
  std::erase_if(Part.Weights, [&](const ManifestWeight &Each) { return Each.File != File; });
  Part.WeightTableSize = 0;
  for (ManifestWeight &Each : Part.Weights) {
    Each.First = Part.WeightTableSize;
    Part.WeightTableSize += Each.tensorCount();
  }
  return Part;
}

std::unique_ptr<WeightStore> WeightStore::createParts(const WeightFiles &Files,
                                                      const Manifest &Program, WorkerPool &Workers,
                                                      SourcePages Pages, NonFiniteWeights NonFinite,
                                                      Diagnostics &Diags,
                                                      const WeightCache &Cache) {
  std::unique_ptr<WeightStore> Store(new WeightStore);
  Store->Table.resize(static_cast<size_t>(Program.WeightTableSize));
  Store->FromCache = true;
  for (const auto &[Name, File] : Files.all()) {
    Manifest Part = partOf(Program, Name);
    if (Part.Weights.empty())
      continue;
    WeightFiles Own;
    Own.add(Name, *File);
    std::unique_ptr<WeightStore> Made = create(Own, Part, Workers, Pages, NonFinite, Diags, &Cache);
    if (!Made)
      return nullptr;
    size_t Next = 0;
    for (const ManifestWeight &Each : Program.Weights)
      for (int64_t I = 0; Each.File == Name && I < Each.tensorCount(); ++I)
        Store->Table[static_cast<size_t>(Each.First + I)] = Made->Table[Next++];
    Store->Bytes += Made->Bytes;
    Store->FromCache &= Made->FromCache || !File->identity();
    Store->Parts.push_back(std::move(Made));
  }
  return Store;
}

std::unique_ptr<WeightStore> WeightStore::fromPacked(const WeightFiles &Files,
                                                     const Manifest &Program,
                                                     std::span<const uint8_t> Packed,
                                                     std::shared_ptr<const void> Owner,
                                                     Diagnostics &Diags) {
  unsigned ErrorsBefore = Diags.errorCount();
  std::optional<uint64_t> Bytes;
  std::vector<PackJob> Jobs = planJobs(Files, Program, Bytes, Diags);
  if (Diags.errorCount() != ErrorsBefore)
    return nullptr;
  if (Bytes != Packed.size()) {
    Diags.error(632, Files.only() ? Files.only()->path() + ": weights" : "weights",
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
