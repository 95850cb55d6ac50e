//===- WeightCache.cpp - Packed weights kept on the disk ------------------===//

#include "runtime/weights/WeightCache.h"

#include "lathe/abi.h"
#include "runtime/support/BackgroundTask.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/Text.h"
#include "runtime/weights/Packer.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lathe {

static constexpr std::string_view Suffix = ".weights";
static constexpr std::string_view SizeVariable = "LATHE_WEIGHT_CACHE_SIZE";

//===----------------------------------------------------------------------===//
// The header of an entry
//===----------------------------------------------------------------------===//

namespace {

/// As it lies in the file, little-endian; the rest of its page is zeros.
struct Header {
  char Magic[8] = {'l', 'a', 't', 'h', 'e', 'w', 't', '1'};
  char Key[CacheFolder::KeyDigits] = {};
  uint64_t WeightBytes = 0;
  uint64_t WeightHash[2] = {}; ///< XXH3-128 of the weights.
  uint64_t ModelBytes = 0;     ///< Of the text in Model.
  char Model[1024] = {};
  uint64_t HeaderHash[2] = {}; ///< XXH3-128 of all ahead.
};
static_assert(sizeof(Header) <= WeightEntryHeaderBytes);

} // namespace

static void setHash(XXH128_hash_t Hash, uint64_t (&Result)[2]) {
  Result[0] = Hash.low64;
  Result[1] = Hash.high64;
}

static void hash(const void *Bytes, size_t Count, uint64_t (&Result)[2]) {
  setHash(XXH3_128bits(Bytes, Count), Result);
}

/// The hash of `Bytes` bytes of `File` from `Offset` on; false when they cannot be
/// read.  Not through a mapping, whose pages would come back into this process while
/// a compiler may need the room.
static bool hashFile(int File, uint64_t Offset, uint64_t Bytes, uint64_t (&Result)[2]) {
  std::vector<uint8_t> Buffer(size_t(1) << 18);
  XXH3_state_t State;
  XXH3_128bits_reset(&State);
  while (Bytes != 0) {
    ssize_t Count = pread(File, Buffer.data(), std::min<uint64_t>(Buffer.size(), Bytes),
                          static_cast<off_t>(Offset));
    if (Count <= 0)
      return false;
    XXH3_128bits_update(&State, Buffer.data(), static_cast<size_t>(Count));
    Offset += static_cast<uint64_t>(Count);
    Bytes -= static_cast<uint64_t>(Count);
  }
  setHash(XXH3_128bits_digest(&State), Result);
  return true;
}

/// Why the entry is not that of `Key`; empty when its header is sound.
static std::string headerFault(std::span<const uint8_t> Entry, std::string_view Key,
                               Header &Found) {
  Header Expected;
  if (Entry.size() < WeightEntryHeaderBytes)
    return "it is cut off";
  std::memcpy(&Found, Entry.data(), sizeof(Found));
  hash(&Found, offsetof(Header, HeaderHash), Expected.HeaderHash);
  if (std::memcmp(Found.Magic, Expected.Magic, sizeof(Found.Magic)) != 0 ||
      std::memcmp(Found.HeaderHash, Expected.HeaderHash, sizeof(Found.HeaderHash)) != 0)
    return "its header is damaged";
  if (std::string_view(Found.Key, sizeof(Found.Key)) != Key)
    return "its header names another key";
  if (Entry.size() - WeightEntryHeaderBytes != Found.WeightBytes)
    return "found " + std::to_string(Entry.size() - WeightEntryHeaderBytes) +
           " bytes of weights, expected " + std::to_string(Found.WeightBytes);
  return {};
}

/// Why the weights behind a sound header are not those that were stored.
static std::string weightFault(std::span<const uint8_t> Entry, const Header &Expected) {
  uint64_t Found[2];
  hash(Entry.data() + WeightEntryHeaderBytes, Expected.WeightBytes, Found);
  bool Same = std::memcmp(Found, Expected.WeightHash, sizeof(Found)) == 0;
  return Same ? "" : "its weights are not those that were stored";
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// What is left to do once the weights are packed.
struct WeightEntryWriter::Job {
  Job(int File, const Header &Contents, const CacheFolder &Folder, uint64_t MaxBytes)
      : File(File), Contents(Contents), Folder(Folder), MaxBytes(MaxBytes) {}
  ~Job() {
    Flushing.wait();
    close(File);
  }
  void run();
  bool flush();

  int File;
  Header Contents;
  CacheFolder Folder;
  uint64_t MaxBytes;
  BackgroundTask Flushing{[this] { run(); }};
};

bool WeightEntryWriter::Job::flush() {
  if (!hashFile(File, WeightEntryHeaderBytes, Contents.WeightBytes, Contents.WeightHash))
    return false;
  hash(&Contents, offsetof(Header, HeaderHash), Contents.HeaderHash);
  if (pwrite(File, &Contents, sizeof(Contents), 0) != ssize_t(sizeof(Contents)))
    return false;
  return fsync(File) == 0;
}

void WeightEntryWriter::Job::run() {
  // A link never takes the place of another: who comes first wins.
  std::string Path = Folder.entryPath({Contents.Key, sizeof(Contents.Key)});
  std::string Unnamed = "/proc/self/fd/" + std::to_string(File);
  if (!flush() || linkat(AT_FDCWD, Unnamed.c_str(), AT_FDCWD, Path.c_str(), AT_SYMLINK_FOLLOW) != 0)
    return;
  // The name survives a power cut only once the folder is flushed; a name without
  // its bytes there never is.
  int Named = open(Folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (Named >= 0) {
    fsync(Named);
    close(Named);
  }
  Folder.shrink(MaxBytes);
}

WeightEntryWriter::WeightEntryWriter(MappedMemory Mapped, std::unique_ptr<Job> Todo)
    : Memory(std::move(Mapped)), Work(std::move(Todo)) {}

WeightEntryWriter::~WeightEntryWriter() { Work->Flushing.wait(); }

void WeightEntryWriter::keep() { Work->Flushing.start(); }

/// A file without a name in `Folder`, with room for `Bytes`; -1 with errno set when
/// there can be none.
static int createUnnamed(const std::string &Folder, uint64_t Bytes) {
  int File = open(Folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  // Room is taken now: a full disk is told here, and not by a fault while packing.
  if (File < 0 || fallocate(File, 0, 0, static_cast<off_t>(Bytes)) == 0)
    return File;
  int Reason = errno;
  close(File);
  errno = Reason;
  return -1;
}

std::unique_ptr<WeightEntryWriter> WeightCache::create(const std::string &Key, uint64_t Bytes,
                                                       const std::string &Model,
                                                       Diagnostics &Diags) const {
  std::optional<uint64_t> Size = checkedAdd(Bytes, uint64_t(WeightEntryHeaderBytes));
  if (!Size || *Size > MaxBytes)
    return nullptr;
  int File = createUnnamed(Folder.path(), *Size);
  std::optional<MappedMemory> Memory =
      File >= 0 ? MappedMemory::mapShared(File, *Size) : std::nullopt;
  if (!Memory) {
    Diags.warning(622, "cache " + Folder.entryPath(Key),
                  "not stored: no file of " + formatBytes(*Size) + ": " + describeErrno(errno),
                  "the weights are packed in memory; " + std::string(SizeVariable) +
                      "=0 keeps no weights on the disk");
    if (File >= 0)
      close(File);
    return nullptr;
  }
  // A file's pages stay as large as they were when it was written.
  Memory->adviseHugePages();
  Header Contents;
  std::memcpy(Contents.Key, Key.data(), sizeof(Contents.Key));
  Contents.WeightBytes = Bytes;
  Contents.ModelBytes = std::min(Model.size(), sizeof(Contents.Model));
  std::memcpy(Contents.Model, Model.data(), Contents.ModelBytes);
  auto Work = std::make_unique<WeightEntryWriter::Job>(File, Contents, Folder, MaxBytes);
  return std::unique_ptr<WeightEntryWriter>(
      new WeightEntryWriter(std::move(*Memory), std::move(Work)));
}

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

std::string WeightCache::defaultFolder() {
  if (const char *Asked = getenv("LATHE_CACHE"); Asked && *Asked)
    return std::string(Asked) + "/weights";
  // The XDG base directory specification: relative paths are to be ignored.
  if (const char *Base = getenv("XDG_CACHE_HOME"); Base && *Base == '/')
    return std::string(Base) + "/lathe/weights";
  if (const char *Home = getenv("HOME"); Home && *Home == '/')
    return std::string(Home) + "/.cache/lathe/weights";
  return {};
}

/// "500M" in bytes; nullopt when it is no size.
static std::optional<uint64_t> parseSize(std::string_view Text) {
  constexpr std::string_view Units = "KMG";
  size_t Unit = Text.empty() ? std::string_view::npos : Units.find(Text.back());
  if (Unit != std::string_view::npos)
    Text.remove_suffix(1);
  uint64_t Number = 0;
  std::from_chars_result Read = std::from_chars(Text.data(), Text.data() + Text.size(), Number);
  if (Read.ec != std::errc() || Read.ptr != Text.data() + Text.size())
    return std::nullopt;
  return checkedMul(Number, Unit == std::string_view::npos ? 1 : uint64_t(1) << (10 * (Unit + 1)));
}

uint64_t WeightCache::defaultMaxBytes(const CacheFolder &Folder, Diagnostics &Diags) {
  const char *Asked = getenv(SizeVariable.data());
  if (Asked && *Asked) {
    if (std::optional<uint64_t> Bytes = parseSize(Asked))
      return *Bytes;
    Diags.warning(624, std::string(SizeVariable),
                  "found " + quoted(Asked) + ", expected a number of bytes, or one with K, M or G",
                  "0 keeps no weights on the disk");
  }
  uint64_t Room = 0;
  for (const CacheFolder::Entry &Each : Folder.entries())
    Room += Each.Bytes;
  struct statvfs Disk;
  if (statvfs(Folder.path().c_str(), &Disk) == 0)
    Room += static_cast<uint64_t>(Disk.f_bavail) * Disk.f_frsize;
  return std::min(MostDefaultBytes, Room / 4);
}

std::optional<WeightCache> WeightCache::open(const std::string &Path, Diagnostics &Diags,
                                             uint64_t MaxBytes) {
  std::optional<CacheFolder> Folder = CacheFolder::open(Path, Suffix, Diags);
  if (!Folder)
    return std::nullopt;
  return WeightCache(std::move(*Folder), MaxBytes);
}

std::optional<WeightCache> WeightCache::openDefault(Diagnostics &Diags) {
  const char *Asked = getenv(SizeVariable.data());
  if (Asked && parseSize(Asked) == 0)
    return std::nullopt;
  std::optional<CacheFolder> Folder = CacheFolder::open(defaultFolder(), Suffix, Diags);
  if (!Folder)
    return std::nullopt;
  uint64_t MaxBytes = defaultMaxBytes(*Folder, Diags);
  return WeightCache(std::move(*Folder), MaxBytes);
}

std::string WeightCache::key(const FileIdentity &Model, std::span<const uint8_t> ModelHeader,
                             const Manifest &Program) {
  XXH3_state_t State;
  XXH3_128bits_reset(&State);
  auto AddNumber = [&](uint64_t Number) { XXH3_128bits_update(&State, &Number, sizeof(Number)); };
  // Lengths keep neighbours apart: "a" "bc" is not "ab" "c".
  auto Add = [&](const void *Bytes, size_t Count) {
    AddNumber(Count);
    XXH3_128bits_update(&State, Bytes, Count);
  };
  for (int64_t Number : {PackedLayoutVersion, int64_t(LATHE_ABI_VERSION), Model.ModifiedNanoseconds,
                         Model.ChangedNanoseconds})
    AddNumber(static_cast<uint64_t>(Number));
  for (uint64_t Number : {Model.Device, Model.Inode, Model.Bytes})
    AddNumber(Number);
  Add(ModelHeader.data(), ModelHeader.size());
  for (const ManifestWeight &Weight : Program.Weights) {
    Add(Weight.Format->Name.data(), Weight.Format->Name.size());
    Add(Weight.Tensors.data(), Weight.Tensors.size());
    Add(Weight.Shape.data(), Weight.Shape.size() * sizeof(int64_t));
    Add(Weight.Layers.data(), Weight.Layers.size() * sizeof(int64_t));
    for (int64_t Number : {int64_t(Weight.Layout), Weight.First, int64_t(Weight.Layered),
                           Weight.Format->PanelBlockBytes, Weight.Format->PanelBlockMultiple,
                           Weight.Format->TailBlockBytes})
      AddNumber(static_cast<uint64_t>(Number));
  }
  XXH128_canonical_t Canonical;
  XXH128_canonicalFromHash(&Canonical, XXH3_128bits_digest(&State));
  return hexText(Canonical.digest);
}

void WeightCache::discard(const std::string &Key, const std::string &Reason,
                          Diagnostics &Diags) const {
  Folder.remove(Key);
  Diags.warning(621, "cache " + Folder.entryPath(Key), "discarded: " + Reason,
                "the weights are packed again");
}

/// Opens an entry that is there and checks its header; null with the reason in
/// `Fault`.
static std::unique_ptr<MappedFile> openEntry(const CacheFolder &Folder, std::string_view Key,
                                             Header &Contents, std::string &Fault) {
  Fault = Folder.fault(Key);
  if (!Fault.empty())
    return nullptr;
  Diagnostics Local;
  std::unique_ptr<MappedFile> Entry = MappedFile::open(Folder.entryPath(Key), Local);
  Fault = Entry ? headerFault(Entry->bytes(), Key, Contents) : Local.all().front().Message;
  return Fault.empty() ? std::move(Entry) : nullptr;
}

std::unique_ptr<MappedFile> WeightCache::find(const std::string &Key, uint64_t Bytes,
                                              Diagnostics &Diags) const {
  if (!Folder.has(Key))
    return nullptr;
  Header Contents;
  std::string Fault;
  std::unique_ptr<MappedFile> Entry = openEntry(Folder, Key, Contents, Fault);
  if (Entry && Contents.WeightBytes != Bytes)
    Fault = "found " + std::to_string(Contents.WeightBytes) + " bytes of weights, expected " +
            std::to_string(Bytes);
  if (!Fault.empty()) {
    discard(Key, Fault, Diags);
    return nullptr;
  }
  Folder.markUsed(Key);
  return Entry;
}

std::vector<WeightEntry> WeightCache::list() const {
  std::vector<WeightEntry> Found;
  for (const CacheFolder::Entry &Each : Folder.entries()) {
    Header Contents;
    std::string Fault;
    WeightEntry &Entry = Found.emplace_back(Each.Key, Each.Bytes, Each.UsedNanoseconds);
    if (openEntry(Folder, Each.Key, Contents, Fault))
      Entry.Model.assign(Contents.Model,
                         std::min<size_t>(Contents.ModelBytes, sizeof(Contents.Model)));
  }
  return Found;
}

size_t WeightCache::verify(Diagnostics &Diags) const {
  size_t Sound = 0;
  for (const CacheFolder::Entry &Each : Folder.entries()) {
    Header Contents;
    std::string Fault;
    std::unique_ptr<MappedFile> Entry = openEntry(Folder, Each.Key, Contents, Fault);
    if (Entry)
      Fault = weightFault(Entry->bytes(), Contents);
    if (Fault.empty())
      ++Sound;
    else
      discard(Each.Key, Fault, Diags);
  }
  return Sound;
}

} // namespace lathe
