//===- MachineAsync.cpp - Mbarriers, bulk copies, products of warpgroups ---===//

#include "compiler/cuemu/Machine.h"

#include <algorithm>
#include <cstring>
#include <utility>

using namespace lathe::cuemu;

//===----------------------------------------------------------------------===//
// Mbarriers
//===----------------------------------------------------------------------===//

static constexpr uint64_t BarrierBytes = 8;

void Machine::initBarrier(void *address, uint32_t count) {
  auto &barriers = blocks[running->block].barriers;
  checkAlignment(address, BarrierBytes, "makes an mbarrier");
  if (!isShared(address) || count == 0)
    return fail("an mbarrier is made of no arrivals, or not in shared memory");
  auto number = static_cast<uint32_t>(barriers.size());
  auto [place, isNew] = barriers.try_emplace(address);
  if (!isNew && place->second.count != 0)
    return fail("an mbarrier is made where there is one");
  if (checker)
    write(address, BarrierBytes);
  // What is known of copies that an earlier one at the place counted stays true.
  Mbarrier &fresh = place->second;
  fresh.number = isNew ? number : fresh.number;
  fresh.count = fresh.missing = count;
  fresh.bytes = 0;
  fresh.phase = 0;
  fresh.telling = fresh.told = {};
}

void Machine::endBarrier(void *address) {
  Mbarrier *barrier = findBarrier(address);
  if (!barrier)
    return;
  if (checker)
    write(address, BarrierBytes);
  barrier->count = 0;
}

/// Null, and a fault, where there is none; whoever uses one knows that it was made.
Mbarrier *Machine::findBarrier(const void *address) {
  auto &barriers = blocks[running->block].barriers;
  auto found = barriers.find(address);
  if (found == barriers.end() || found->second.count == 0) {
    fail("thread " + std::to_string(running->thread) + " uses an mbarrier that is not there");
    return nullptr;
  }
  if (checker)
    read(address, BarrierBytes, /*isConstant=*/false);
  return &found->second;
}

void Machine::arrive(const void *address, uint32_t expectedBytes) {
  Mbarrier *barrier = findBarrier(address);
  if (!barrier)
    return;
  if (barrier->missing == 0)
    return fail("more threads arrive at an mbarrier than it was made for");
  barrier->bytes += expectedBytes;
  if (checker)
    checker->tell(barrier->telling, now());
  ++running->arrivals;
  --barrier->missing;
  barrier->completePhase();
}

bool Machine::tryWait(const void *address, uint32_t parity) {
  Mbarrier *barrier = findBarrier(address);
  if (!barrier)
    return false;
  if (barrier->phase % 2 != parity) {
    running->awaited = nullptr;
    if (checker)
      checker->learn(barrier->told, now());
    return true;
  }
  running->awaited = barrier;
  running->spins = true;
  pause(State::Ready);
  return false;
}

std::string Machine::describeBarriers() const {
  std::string text;
  for (const Thread &thread : threads)
    if (thread.awaited && text.empty())
      text = ", of them at least one for an mbarrier that lacks " +
             std::to_string(thread.awaited->missing) + " arrivals and " +
             std::to_string(thread.awaited->bytes) + " bytes";
  return text;
}

//===----------------------------------------------------------------------===//
// Bulk copies
//===----------------------------------------------------------------------===//

void Machine::fenceProxies() {
  if (checker)
    checker->fenceProxies(now());
  ++running->fences;
}

void Machine::copyBulk(void *to, const void *place, const void *from, uint32_t bytes) {
  constexpr uint32_t multiple = 16;
  auto isOdd = [](uint64_t number) { return number % multiple != 0; };
  if (!isShared(to) || bytes == 0 || isOdd(reinterpret_cast<uintptr_t>(to)) ||
      isOdd(reinterpret_cast<uintptr_t>(from)) || isOdd(bytes))
    return fail("a bulk copy of " + std::to_string(bytes) +
                " bytes is not of, from and to multiples of 16, or not into shared memory");
  if (!findBarrier(place))
    return;
  if (checker) {
    read(from, bytes, /*isConstant=*/false);
    const std::pair<const void *, uint64_t> touched[] = {
        {from, bytes}, {to, bytes}, {place, BarrierBytes}};
    for (auto [address, size] : touched)
      if (std::string wrong = checker->checkProxy(address, size, now()); !wrong.empty())
        fail(std::move(wrong));
    if (std::string wrong = checker->beginCopy(to, bytes, now()); !wrong.empty())
      fail(std::move(wrong));
  }
  // From now on it may happen at any time.
  std::memset(to, 0xff, bytes);
  bulkCopies.push_back(
      {{static_cast<uint8_t *>(to), static_cast<const uint8_t *>(from), bytes, 0}, place, now()});
}

/// One of those that are on their way comes; false when none is, or what is wrong with it.
bool Machine::landCopy() {
  if (bulkCopies.empty() || !fault.empty())
    return false;
  auto place = bulkCopies.begin() + static_cast<int64_t>(draw(bulkCopies.size()));
  BulkCopy landing = *place;
  bulkCopies.erase(place);
  Mbarrier &barrier = blocks[landing.start.block].barriers.at(landing.barrier);
  const Copy &copy = landing.copy;
  if (checker) {
    // What it reads may have been written since it began.
    fault = checker->read(copy.from, copy.bytes, landing.start, RaceChecker::Source::Global);
    if (!fault.empty())
      return false;
    checker->endBulkCopy(copy.to, copy.bytes, landing.start.block, barrier.number, barrier.copies);
    ++barrier.copies;
    std::vector<uint32_t> &told = barrier.telling.copies;
    told.resize(std::max<size_t>(told.size(), barrier.number + 1));
    told[barrier.number] = barrier.copies;
  }
  std::memcpy(copy.to, copy.from, copy.bytes);
  barrier.bytes -= copy.bytes;
  barrier.completePhase();
  return true;
}

/// All threads of a block have ended.
void Machine::finishBlock(uint32_t number) {
  for (const BulkCopy &copy : bulkCopies)
    if (copy.start.block == number)
      fail("block " + std::to_string(number) + " ends ahead of its bulk copies");
  const Block &block = blocks[number];
  for (size_t warp = 0; warp < block.products.size(); ++warp) {
    if (!block.products[warp].isIdle())
      fail("warp " + std::to_string(warp) + " ends ahead of its products");
    if (block.products[warp].issued() != block.operands[warp / WarpgroupWarps].size())
      fail("a product without all warps of its warpgroup");
  }
}

//===----------------------------------------------------------------------===//
// Products of warpgroups
//===----------------------------------------------------------------------===//

WarpProducts &Machine::products() {
  return blocks[running->block].products[running->thread / WarpThreads];
}

uint8_t *Machine::sharedAt(uint64_t address) {
  constexpr uint64_t range = uint64_t(1) << 18;
  uint8_t *start = sharedMemory();
  return start + (address - reinterpret_cast<uintptr_t>(start)) % range;
}

/// The four warps of a warpgroup take part in the same products, in the same order.
void Machine::beginProduct(const WarpProducts::Product &product) {
  uint64_t own = reinterpret_cast<uintptr_t>(product.b) ^ product.leading << 48 ^
                 product.stride << 32 ^ uint64_t(product.columns) << 56;
  std::vector<uint64_t> &all =
      blocks[running->block].operands[running->thread / WarpThreads / WarpgroupWarps];
  size_t index = products().issued() - 1;
  if (index == all.size())
    all.push_back(own);
  else if (all[index] != own)
    fail("warps of a warpgroup take part in different products");
  const uint8_t *start = sharedMemory();
  for (uint32_t half = 0; half < 2; ++half)
    for (uint32_t column = 0; column < product.columns; ++column) {
      const uint8_t *row = product.rowOf(half, column);
      if (row < start || row + WarpProducts::RowBytes > start + launch.sharedBytes)
        return fail("a product reads beyond shared memory");
      if (checker)
        checker->beginProduct(row, WarpProducts::RowBytes);
    }
}

void Machine::endProduct(const WarpProducts::Product &product) {
  for (uint32_t half = 0; checker && half < 2; ++half)
    for (uint32_t column = 0; column < product.columns; ++column) {
      const uint8_t *row = product.rowOf(half, column);
      if (std::string wrong = checker->endProduct(row, WarpProducts::RowBytes, now());
          !wrong.empty())
        return fail(std::move(wrong));
    }
}
