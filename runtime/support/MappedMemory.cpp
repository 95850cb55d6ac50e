//===- MappedMemory.cpp - Large zeroed memory from the kernel ---*- C++ -*-===//

#include "runtime/support/MappedMemory.h"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace lathe {

/// Advises on the whole pages inside [Start, Start + Bytes).
static void advise(uintptr_t Start, size_t Bytes, int Advice) {
  uintptr_t PageMask = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)) - 1;
  uintptr_t First = (Start + PageMask) & ~PageMask;
  uintptr_t Last = (Start + Bytes) & ~PageMask;
  if (First < Last)
    madvise(reinterpret_cast<void *>(First), Last - First, Advice);
}

MappedMemory::~MappedMemory() {
  if (Start && Source.Allocate)
    Source.Deallocate(Source.User, Start, Length);
  else if (Start)
    munmap(Start, Length);
}

std::optional<MappedMemory> MappedMemory::allocate(size_t Bytes) {
  if (Bytes == 0)
    return MappedMemory();
  void *Mapped = mmap(nullptr, Bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (Mapped == MAP_FAILED)
    return std::nullopt;
  return MappedMemory(static_cast<uint8_t *>(Mapped), Bytes);
}

std::optional<MappedMemory> MappedMemory::allocateFrom(const MemorySource &Source, size_t Bytes) {
  if (!Source.Allocate)
    return allocate(Bytes);
  if (Bytes == 0)
    return MappedMemory();
  void *Given = Source.Allocate(Source.User, Bytes, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  if (!Given)
    return std::nullopt;
  std::memset(Given, 0, Bytes);
  MappedMemory Result(static_cast<uint8_t *>(Given), Bytes);
  Result.Source = Source;
  return Result;
}

std::optional<MappedMemory> MappedMemory::mapShared(int File, size_t Bytes) {
  void *Mapped = mmap(nullptr, Bytes, PROT_READ | PROT_WRITE, MAP_SHARED, File, 0);
  if (Mapped == MAP_FAILED)
    return std::nullopt;
  return MappedMemory(static_cast<uint8_t *>(Mapped), Bytes);
}

void MappedMemory::adviseHugePages() {
#ifdef MADV_HUGEPAGE
  constexpr size_t HugePage = size_t(2) << 20;
  if (Length >= HugePage)
    madvise(Start, Length, MADV_HUGEPAGE);
#endif
}

void MappedMemory::populate(size_t Offset, size_t Bytes) {
#ifdef MADV_POPULATE_WRITE
  advise(reinterpret_cast<uintptr_t>(Start) + Offset, Bytes, MADV_POPULATE_WRITE);
#endif
}

bool MappedMemory::protectReadOnly() { return !Start || mprotect(Start, Length, PROT_READ) == 0; }

void MappedMemory::release(size_t Offset, size_t Bytes) {
  // What madvise does depends on the kind of mapping, which only its owner knows.
  if (Source.Allocate)
    std::memset(Start + Offset, 0, Bytes);
  else
    advise(reinterpret_cast<uintptr_t>(Start) + Offset, Bytes, MADV_DONTNEED);
}

void populateFilePages(const uint8_t *Start, size_t Bytes) {
#ifdef MADV_HUGEPAGE
  advise(reinterpret_cast<uintptr_t>(Start), Bytes, MADV_HUGEPAGE);
#endif
#ifdef MADV_POPULATE_READ
  advise(reinterpret_cast<uintptr_t>(Start), Bytes, MADV_POPULATE_READ);
#endif
}

void releaseFilePages(const uint8_t *Start, size_t Bytes) {
  advise(reinterpret_cast<uintptr_t>(Start), Bytes, MADV_DONTNEED);
}

} // namespace lathe
