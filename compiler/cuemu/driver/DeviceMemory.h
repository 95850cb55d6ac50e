//===- DeviceMemory.h - Memory that only a pretended GPU has ----*- C++ -*-===//
//
// One range of addresses that the host may not touch: its pages are open only while an
// operation of the driver runs.  Every block has closed pages on both sides, a freed
// one is closed for good, and no address is given twice.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_CUEMU_DRIVER_DEVICEMEMORY_H
#define LATHE_COMPILER_CUEMU_DRIVER_DEVICEMEMORY_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace lathe::cuemu {

class DeviceMemory {
public:
  explicit DeviceMemory(size_t limit) : limit(limit) {}

  /// The address of `bytes` full of ones, NaN in every float format; 0 when there is no
  /// room.
  uint64_t allocate(size_t bytes);
  /// False when no block begins there.
  bool release(uint64_t address);

  /// Whether all these bytes are in one block.
  bool owns(uint64_t address, size_t bytes) const;
  /// Where they are that no block owns: "that are not memory of the device: 8 bytes
  /// behind a block of 64".
  std::string describe(uint64_t address) const;
  /// Whether the address is one that a block may have, or may have had.
  bool covers(const void *address) const;

  size_t free() const { return limit - used; }
  size_t total() const { return limit; }
  size_t blocks() const { return live.size(); }

  /// While one lives, the blocks are open.
  class Open {
  public:
    explicit Open(const DeviceMemory &memory) : memory(memory) { memory.protect(true); }
    Open(const Open &) = delete;
    Open &operator=(const Open &) = delete;
    ~Open() { memory.protect(false); }

  private:
    const DeviceMemory &memory;
  };

private:
  void protect(bool isOpen) const;

  size_t limit, used = 0;
  uint64_t start = 0, next = 0; ///< Of the range; 0: not there yet.
  std::map<uint64_t, size_t> live;
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_DRIVER_DEVICEMEMORY_H
