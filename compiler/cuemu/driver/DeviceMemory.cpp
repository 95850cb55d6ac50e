//===- DeviceMemory.cpp - Memory that only a pretended GPU has -------------===//

#include "compiler/cuemu/driver/DeviceMemory.h"

#include <csignal>
#include <cstring>
#include <iterator>

#include <sys/mman.h>
#include <unistd.h>

using namespace lathe::cuemu;

static constexpr size_t PageBytes = 4096;
/// Addresses for all blocks of a process, together and one after the other.
static constexpr size_t RangeBytes = size_t(1) << 40;

static uint64_t rangeStart = 0;
static struct sigaction before;

static void *pointer(uint64_t address) { return reinterpret_cast<void *>(address); }
static size_t pages(size_t bytes) { return (bytes + PageBytes - 1) / PageBytes * PageBytes; }

/// Says what a fault in the range means, ahead of what would have become of it.
static void explainFault(int signal, siginfo_t *info, void *context) {
  auto address = reinterpret_cast<uint64_t>(info->si_addr);
  static const char text[] = "cuemu: something touched memory of the device that it must not: "
                             "the host, or a kernel where nothing is\n";
  if (address >= rangeStart && address < rangeStart + RangeBytes)
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
  sigaction(signal, &before, nullptr);
  if ((before.sa_flags & SA_SIGINFO) && before.sa_sigaction)
    before.sa_sigaction(signal, info, context);
}

/// The address of the range, or 0.
static uint64_t reserveRange() {
  void *range =
      mmap(nullptr, RangeBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED)
    return 0;
  rangeStart = reinterpret_cast<uint64_t>(range);
  struct sigaction action = {};
  action.sa_sigaction = explainFault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &before);
  return rangeStart;
}

uint64_t DeviceMemory::allocate(size_t bytes) {
  if (!start)
    start = next = reserveRange();
  size_t size = pages(bytes);
  if (!start || bytes == 0 || size < bytes || size > free() ||
      next + size + 2 * PageBytes > start + RangeBytes)
    return 0;
  uint64_t address = next + PageBytes;
  next = address + size;
  if (mprotect(pointer(address), size, PROT_READ | PROT_WRITE) != 0)
    return 0;
  std::memset(pointer(address), 0xff, bytes);
  mprotect(pointer(address), size, PROT_NONE);
  live[address] = bytes;
  used += size;
  return address;
}

bool DeviceMemory::release(uint64_t address) {
  auto found = live.find(address);
  if (found == live.end())
    return false;
  madvise(pointer(address), pages(found->second), MADV_DONTNEED);
  used -= pages(found->second);
  live.erase(found);
  return true;
}

bool DeviceMemory::owns(uint64_t address, size_t bytes) const {
  auto behind = live.upper_bound(address);
  if (behind == live.begin())
    return false;
  auto [first, size] = *std::prev(behind);
  return address - first <= size && bytes <= size - (address - first);
}

std::string DeviceMemory::describe(uint64_t address) const {
  std::string text = "that are not memory of the device";
  if (!covers(pointer(address)))
    return text + ": the address is not one of it";
  auto behind = live.upper_bound(address);
  if (behind == live.begin())
    return text;
  auto [first, size] = *std::prev(behind);
  return text + ": they begin at byte " + std::to_string(address - first) + " of a block of " +
         std::to_string(size);
}

bool DeviceMemory::covers(const void *address) const {
  auto number = reinterpret_cast<uint64_t>(address);
  return start && number >= start && number < start + RangeBytes;
}

void DeviceMemory::protect(bool isOpen) const {
  for (auto [address, bytes] : live)
    mprotect(pointer(address), pages(bytes), isOpen ? PROT_READ | PROT_WRITE : PROT_NONE);
}
