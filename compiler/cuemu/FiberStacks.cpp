//===- FiberStacks.cpp - Stacks that end in a page of no access ------------===//

#include "compiler/cuemu/FiberStacks.h"

#include <sys/mman.h>

using namespace lathe::cuemu;

FiberStacks::FiberStacks(size_t count) : total(count * Stride) {
  void *memory = mmap(nullptr, total, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED)
    return;
  start = static_cast<uint8_t *>(memory);
  for (size_t i = 0; i < count; ++i)
    mprotect(start + i * Stride, GuardBytes, PROT_NONE);
}

FiberStacks::~FiberStacks() {
  if (start)
    munmap(start, total);
}

static FiberStacks &latest() {
  static thread_local FiberStacks stacks;
  return stacks;
}

FiberStacks FiberStacks::take(size_t count) {
  FiberStacks stacks = std::move(latest());
  return stacks.start && stacks.total >= count * Stride ? std::move(stacks) : FiberStacks(count);
}

void FiberStacks::giveBack(FiberStacks stacks) { latest() = std::move(stacks); }
