//===- MappedMemory.h - Large zeroed memory from the kernel -----*- C++ -*-===//
//
// Private anonymous mappings, and shared ones of a fresh file: page aligned, zero
// when fresh, and given physical pages only where they are touched.  A program
// that has its own memory may give that instead.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_MAPPEDMEMORY_H
#define LATHE_RUNTIME_SUPPORT_MAPPEDMEMORY_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace lathe {

/// Memory that comes from the program around us; none when `Allocate` is null.
struct MemorySource {
  /// `Bytes` at a multiple of `Alignment`, a power of two; null when there are none.
  void *(*Allocate)(void *User, size_t Bytes, size_t Alignment) = nullptr;
  void (*Deallocate)(void *User, void *Memory, size_t Bytes) = nullptr;
  void *User = nullptr;
};

/// Owns one mapping, or none.
class MappedMemory {
public:
  MappedMemory() = default;
  MappedMemory(MappedMemory &&Other) noexcept
      : Start(std::exchange(Other.Start, nullptr)), Length(std::exchange(Other.Length, 0)),
        Source(Other.Source) {}
  MappedMemory &operator=(MappedMemory &&Other) noexcept {
    std::swap(Start, Other.Start);
    std::swap(Length, Other.Length);
    std::swap(Source, Other.Source);
    return *this;
  }
  ~MappedMemory();

  /// `Bytes` of zeros; nullopt when the system refuses.  0 bytes is the empty
  /// mapping, whose data() is null.
  static std::optional<MappedMemory> allocate(size_t Bytes);

  /// The same of `Source`, to which it goes back, and which must outlive it.  All
  /// of it is touched; the kernel is asked for nothing.
  static std::optional<MappedMemory> allocateFrom(const MemorySource &Source, size_t Bytes);

  /// The first `Bytes` of `File`, which may be closed: what is written here goes
  /// there.  The file must have these bytes, and room for them on its disk.
  static std::optional<MappedMemory> mapShared(int File, size_t Bytes);

  uint8_t *data() const { return Start; }
  size_t size() const { return Length; }

  /// Asks for large pages, for memory that will be touched as a whole: faults
  /// and address translation cost less.  The system may decline.
  void adviseHugePages();

  /// Gives the whole pages inside [Offset, Offset + Bytes) their memory now, in
  /// one call instead of a fault for each.  Several threads may do so at once.
  void populate(size_t Offset, size_t Bytes);

  /// Any write from now on is a fault; false when the system refuses.
  bool protectReadOnly();

  /// Makes the whole pages inside [Offset, Offset + Bytes) fresh again: their
  /// memory goes back and they read as zero.
  void release(size_t Offset, size_t Bytes);

private:
  MappedMemory(uint8_t *Start, size_t Length) : Start(Start), Length(Length) {}

  uint8_t *Start = nullptr;
  size_t Length = 0;
  MemorySource Source;
};

/// Maps the pages of a read-only *file* mapping now, large ones where the system
/// has them, in one call instead of a fault for each; reads what is not in memory.
/// Several threads may do so at once, each for its part.
void populateFilePages(const uint8_t *Start, size_t Bytes);

/// Tells the kernel that the whole pages inside [Start, Start + Bytes) of a *file*
/// mapping are not needed for now.  They come back from the file when touched.  The
/// mapping is read-only or shared: what was written there is the file's.  Never for
/// anonymous memory, which would be lost.
void releaseFilePages(const uint8_t *Start, size_t Bytes);

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_MAPPEDMEMORY_H
