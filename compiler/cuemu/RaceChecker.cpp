//===- RaceChecker.cpp - Accesses to memory that nothing orders ------------===//

#include "compiler/cuemu/RaceChecker.h"

#include <algorithm>
#include <utility>

using namespace lathe::cuemu;

RaceChecker::RaceChecker(uint32_t blocks, uint32_t threads, uint32_t warpThreads)
    : threads(threads), warpThreads(warpThreads), knowledge(blocks),
      proxyFences(size_t(blocks) * threads), seen(blocks, BlockClock(blocks)), pending(seen),
      observed(seen), released(seen) {}

/// What is not there is 0.
static void join(std::vector<uint32_t> &clock, const std::vector<uint32_t> &other) {
  if (clock.size() < other.size())
    clock.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i)
    clock[i] = std::max(clock[i], other[i]);
}

void RaceChecker::passBarrier(uint32_t block) {
  join(seen[block], pending[block]);
  if (std::exchange(knowledge[block].isFresh, false))
    share(knowledge[block], 0, threads);
}

void RaceChecker::fence(const Moment &now) {
  BlockClock &own = released[now.block];
  join(own, seen[now.block]);
  own[now.block] = std::max(own[now.block], now.blockEpoch);
  join(pending[now.block], observed[now.block]);
}

void RaceChecker::publish(const void *address, uint32_t block) {
  BlockClock &clock = published.try_emplace(address, BlockClock(seen.size())).first->second;
  join(clock, released[block]);
}

void RaceChecker::observe(const void *address, uint32_t block, bool acquires) {
  if (auto found = published.find(address); found != published.end())
    join(acquires ? pending[block] : observed[block], found->second);
}

RaceChecker::Byte &RaceChecker::find(uint64_t address) {
  uint64_t number = address / PageBytes;
  if (number != latestNumber) {
    std::unique_ptr<Page> &page = pages[number];
    if (!page)
      page = std::make_unique<Page>();
    latest = page.get();
    latestNumber = number;
  }
  return latest->bytes[address % PageBytes];
}

bool RaceChecker::isOrdered(const Access &before, const Moment &now) const {
  if (!before.isThere)
    return true;
  if (before.block != now.block)
    return before.blockEpoch < seen[now.block][before.block];
  if (before.barrier != 0)
    return isKnown(before, now);
  if (before.thread == now.thread || before.blockEpoch < now.blockEpoch)
    return true;
  if (before.thread / warpThreads == now.thread / warpThreads && before.warpEpoch < now.warpEpoch)
    return true;
  return isKnown(before, now);
}

bool RaceChecker::isKnown(const Access &before, const Moment &now) const {
  const Knowledge &own = knowledge[now.block];
  if (own.threads.empty())
    return false;
  const ThreadClock &clock = own.threads[now.thread];
  auto exceeds = [](const std::vector<uint32_t> &all, uint32_t i, uint32_t value) {
    return i < all.size() && all[i] > value;
  };
  if (before.barrier != 0)
    return exceeds(clock.copies, before.barrier - 1, before.arrivals);
  return exceeds(clock.arrivals, before.thread, before.arrivals) ||
         exceeds(clock.warpEpochs, before.thread / warpThreads, before.warpEpoch);
}

static std::string name(const Moment &moment) {
  return "thread " + std::to_string(moment.thread) + " of block " + std::to_string(moment.block);
}

std::string RaceChecker::describe(const char *what, const Access &before, const Moment &now) const {
  return std::string("race: ") + name(now) + " " + what + " " + name(before) +
         ", and nothing orders them";
}

std::string RaceChecker::read(const void *address, uint64_t bytes, const Moment &now,
                              Source source) {
  auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t place = first; place < first + bytes; ++place) {
    Byte &byte = find(place);
    if (byte.isComing)
      return name(now) + " reads what is still copied by " + name(byte.write);
    if (!isOrdered(byte.write, now))
      return describe("reads what was written by", byte.write, now);
    if (source == Source::Constant && byte.write.isThere)
      return name(now) + " reads as constant what the kernel wrote";
    if (source == Source::Shared && !byte.write.isThere)
      return name(now) + " reads shared memory that no thread wrote";
    byte.isConstant |= source == Source::Constant;
    // Two reads of different warps, where there are two, meet every writer.
    Access access{now, true};
    bool replacesFirst = !byte.reads[0].isThere || isOrdered(byte.reads[0], now);
    byte.reads[replacesFirst ? 0 : 1] = access;
  }
  return {};
}

std::string RaceChecker::write(const void *address, uint64_t bytes, const Moment &now) {
  auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t place = first; place < first + bytes; ++place) {
    Byte &byte = find(place);
    if (byte.isComing)
      return name(now) + " writes over what is still copied by " + name(byte.write);
    if (byte.products != 0)
      return "race: " + name(now) + " writes over what a product still reads";
    if (!isOrdered(byte.write, now))
      return describe("writes over what was written by", byte.write, now);
    for (const Access &read : byte.reads)
      if (!isOrdered(read, now))
        return describe("writes over what is read by", read, now);
    if (byte.isConstant)
      return name(now) + " writes what the kernel reads as constant";
    byte.write = Access{now, true};
    byte.reads[0].isThere = byte.reads[1].isThere = false;
  }
  return {};
}

std::string RaceChecker::beginCopy(const void *address, uint64_t bytes, const Moment &now) {
  if (std::string wrong = write(address, bytes, now); !wrong.empty())
    return wrong;
  auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t place = first; place < first + bytes; ++place)
    find(place).isComing = true;
  return {};
}

void RaceChecker::endCopy(const void *address, uint64_t bytes, const Moment &now) {
  auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t place = first; place < first + bytes; ++place) {
    Byte &byte = find(place);
    byte.isComing = false;
    byte.write = Access{now, true};
  }
}

//===----------------------------------------------------------------------===//
// The async proxy
//===----------------------------------------------------------------------===//

void RaceChecker::fenceProxies(const Moment &now) {
  proxyFences[now.block * threads + now.thread] = now.fences + 1;
}

std::string RaceChecker::checkProxy(const void *address, uint64_t bytes, const Moment &now) {
  auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t place = first; place < first + bytes; ++place) {
    const Access &write = find(place).write;
    bool isGeneric = write.isThere && write.barrier == 0;
    if (isGeneric && proxyFences[write.block * threads + write.thread] <= write.fences)
      return "race: what " + name(now) + " starts meets what was written by " + name(write) +
             " without a fence of proxies behind it";
  }
  return {};
}

void RaceChecker::beginProduct(const void *address, uint64_t bytes) {
  auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t place = first; place < first + bytes; ++place)
    ++find(place).products;
}

/// What nobody wrote is no fault: products of rows that are not there go nowhere.
std::string RaceChecker::endProduct(const void *address, uint64_t bytes, const Moment &now) {
  auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t place = first; place < first + bytes; ++place)
    --find(place).products;
  if (std::string wrong = checkProxy(address, bytes, now); !wrong.empty())
    return wrong;
  return read(address, bytes, now, Source::Global);
}

void RaceChecker::endBulkCopy(const void *address, uint64_t bytes, uint32_t block, uint32_t barrier,
                              uint32_t number) {
  auto first = reinterpret_cast<uint64_t>(address);
  for (uint64_t place = first; place < first + bytes; ++place) {
    Byte &byte = find(place);
    byte.isComing = false;
    byte.write.barrier = barrier + 1;
    byte.write.block = block;
    byte.write.arrivals = number;
  }
}

//===----------------------------------------------------------------------===//
// Mbarriers
//===----------------------------------------------------------------------===//

void ThreadClock::join(const ThreadClock &other) {
  ::join(arrivals, other.arrivals);
  ::join(warpEpochs, other.warpEpochs);
  ::join(copies, other.copies);
}

void RaceChecker::tell(ThreadClock &clock, const Moment &now) {
  const Knowledge &own = knowledge[now.block];
  if (!own.threads.empty())
    clock.join(own.threads[now.thread]);
  uint32_t warp = now.thread / warpThreads;
  clock.arrivals.resize(threads);
  clock.warpEpochs.resize((threads + warpThreads - 1) / warpThreads);
  clock.arrivals[now.thread] = std::max(clock.arrivals[now.thread], now.arrivals + 1);
  clock.warpEpochs[warp] = std::max(clock.warpEpochs[warp], now.warpEpoch);
}

void RaceChecker::learn(const ThreadClock &clock, const Moment &now) {
  Knowledge &own = knowledge[now.block];
  if (own.threads.empty()) {
    own.threads.resize(threads);
    own.freshWarps.resize((threads + warpThreads - 1) / warpThreads);
  }
  own.threads[now.thread].join(clock);
  own.freshWarps[now.thread / warpThreads] = own.isFresh = true;
}

/// Gives threads what any of them knows.
void RaceChecker::share(Knowledge &own, uint32_t first, uint32_t count) {
  ThreadClock all;
  for (uint32_t thread = first; thread < first + count; ++thread)
    all.join(own.threads[thread]);
  for (uint32_t thread = first; thread < first + count; ++thread)
    own.threads[thread] = all;
}

void RaceChecker::meetWarp(const Moment &now) {
  Knowledge &own = knowledge[now.block];
  uint32_t warp = now.thread / warpThreads;
  if (own.threads.empty() || !own.freshWarps[warp])
    return;
  own.freshWarps[warp] = false;
  share(own, warp * warpThreads, warpThreads);
}
