//===- RaceChecker.cpp - Accesses to memory that nothing orders ------------===//

#include "compiler/cuemu/RaceChecker.h"

#include <algorithm>

using namespace lathe::cuemu;

RaceChecker::RaceChecker(uint32_t blocks, uint32_t warpThreads)
    : warpThreads(warpThreads), seen(blocks, BlockClock(blocks)), pending(seen), observed(seen),
      released(seen) {}

static void join(BlockClock &clock, const BlockClock &other) {
  for (size_t i = 0; i < clock.size(); ++i)
    clock[i] = std::max(clock[i], other[i]);
}

void RaceChecker::passBarrier(uint32_t block) { join(seen[block], pending[block]); }

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
  if (before.thread == now.thread || before.blockEpoch < now.blockEpoch)
    return true;
  return before.thread / warpThreads == now.thread / warpThreads &&
         before.warpEpoch < now.warpEpoch;
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
