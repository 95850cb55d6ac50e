//===- FiberStacks.h - Stacks that end in a page of no access ---*- C++ -*-===//

#ifndef LATHE_COMPILER_CUEMU_FIBERSTACKS_H
#define LATHE_COMPILER_CUEMU_FIBERSTACKS_H

#include <cstddef>
#include <cstdint>
#include <utility>

namespace lathe::cuemu {

/// Stacks of fibers, one behind the other.  Below each is a page that nobody may touch:
/// a stack that is used up is a fault, and not another fiber's values.
class FiberStacks {
public:
  static constexpr size_t Bytes = 64 * 1024;

  FiberStacks() = default;
  FiberStacks(FiberStacks &&other) noexcept { *this = std::move(other); }
  FiberStacks &operator=(FiberStacks &&other) noexcept {
    std::swap(start, other.start);
    std::swap(total, other.total);
    return *this;
  }
  ~FiberStacks();

  /// At least `count` stacks: those of the thread's latest launch, or fresh ones.
  static FiberStacks take(size_t count);
  /// For the thread's next launch.
  static void giveBack(FiberStacks stacks);

  /// The lowest byte of stack `index`; null when there was no memory.
  uint8_t *stack(size_t index) const { return start + index * Stride + GuardBytes; }
  explicit operator bool() const { return start != nullptr; }

private:
  static constexpr size_t GuardBytes = 4096, Stride = Bytes + GuardBytes;

  explicit FiberStacks(size_t count);

  uint8_t *start = nullptr;
  size_t total = 0;
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_FIBERSTACKS_H
