//===- MappedMemory.cpp - Large zeroed memory from the kernel ---*- C++ -*-===//

#include "runtime/support/MappedMemory.h"

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
  if (Start)
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

std::optional<MappedMemory> MappedMemory::mapShared(int File, size_t Bytes) {
  void *Mapped = mmap(nullptr, Bytes, PROT_READ | PROT_WRITE, MAP_SHARED, File, 0);
  if (Mapped == MAP_FAILED)
    return std::nullopt;
  return MappedMemory(static_cast<uint8_t *>(Mapped), Bytes);
}

void MappedMemory::adviseHugePages() {
#ifdef MADV_HUGEPAGE
  if (Start)
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
