//===- Machine.cpp - The blocks and threads of one launch ------------------===//

#include "compiler/cuemu/Machine.h"

#include <cstring>
#include <numeric>
#include <utility>

using namespace lathe::cuemu;

static thread_local Machine *currentMachine = nullptr;

Machine *Machine::current() { return currentMachine; }

Machine::Machine(const Launch &launch, Kernel kernel, void *argument, bool checksRaces)
    : launch(launch), kernel(kernel), argument(argument),
      stacks(FiberStacks::take(size_t(launch.blocks) * launch.threads)),
      threads(launch.blocks * launch.threads), blocks(launch.blocks), order(threads.size()),
      random(launch.seed) {
  if (checksRaces)
    checker.emplace(launch.blocks, launch.threads, WarpThreads);
  uint32_t warps = (launch.threads + WarpThreads - 1) / WarpThreads;
  for (Block &block : blocks) {
    block.shared.assign(launch.sharedBytes + 16, 0xff);
    block.live = launch.threads;
    block.arrived.assign(warps, 0);
    block.warpEpochs.assign(warps, 0);
    block.products.resize(warps);
    block.operands.resize((warps + WarpgroupWarps - 1) / WarpgroupWarps);
  }
  for (size_t i = 0; i < threads.size(); ++i) {
    threads[i].block = i / launch.threads;
    threads[i].thread = i % launch.threads;
    if (stacks)
      threads[i].fiber.start(stacks.stack(i), FiberStacks::Bytes, runThread, this);
  }
  std::iota(order.begin(), order.end(), 0);
}

Machine::~Machine() { FiberStacks::giveBack(std::move(stacks)); }

//===----------------------------------------------------------------------===//
// The scheduler
//===----------------------------------------------------------------------===//

/// Steele and Vigna's splitmix64.
uint64_t Machine::draw(uint64_t limit) {
  uint64_t x = random += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return (x ^ (x >> 31)) % limit;
}

void Machine::runThread(void *argument) {
  auto *machine = static_cast<Machine *>(argument);
  machine->kernel(machine->argument);
  machine->finishThread();
}

/// Threads that have ended do not keep others at a barrier.
void Machine::finishThread() {
  if (!running->copies.empty())
    fail("thread " + std::to_string(running->thread) + " ends ahead of its copies");
  running->state = State::Done;
  Block &block = blocks[running->block];
  if (--block.live == 0)
    finishBlock(running->block);
  if (block.live > 0 && block.waiting == block.live)
    releaseBarrier(running->block);
}

void Machine::pause(State state) {
  running->state = state;
  running->fiber.pause();
}

void Machine::fail(std::string what) {
  if (fault.empty())
    fault = std::move(what);
  running->fiber.pause();
}

/// Gives every thread that can go on a turn; false when none did anything but wait.
bool Machine::runRound() {
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[draw(i)]);
  bool moved = false;
  for (uint32_t index : order) {
    Thread &thread = threads[index];
    if (thread.state != State::Ready)
      continue;
    running = &thread;
    thread.spins = false;
    thread.fiber.resume();
    moved |= !thread.spins;
    if (!fault.empty())
      return false;
  }
  return moved;
}

std::string Machine::run() {
  if (!stacks)
    return "no memory for the stacks of " + std::to_string(threads.size()) + " threads";
  Machine *before = std::exchange(currentMachine, this);
  while (runRound() || landCopy()) {
  }
  currentMachine = before;
  if (!fault.empty())
    return fault;
  for (const Thread &thread : threads)
    if (thread.state != State::Done)
      return describeDeadlock();
  return {};
}

std::string Machine::describeDeadlock() const {
  uint32_t atBarrier = 0, inWarp = 0, spinning = 0, done = 0;
  for (const Thread &thread : threads) {
    atBarrier += thread.state == State::AtBarrier;
    inWarp += thread.state == State::InWarp;
    spinning += thread.state == State::Ready;
    done += thread.state == State::Done;
  }
  return "deadlock: " + std::to_string(atBarrier) + " threads wait at a barrier, " +
         std::to_string(inWarp) + " for other lanes of their warp, " + std::to_string(spinning) +
         " for memory to change" + describeBarriers() + "; " + std::to_string(done) + " have ended";
}

//===----------------------------------------------------------------------===//
// Together
//===----------------------------------------------------------------------===//

void Machine::releaseBarrier(uint32_t number) {
  Block &block = blocks[number];
  block.waiting = 0;
  ++block.epoch;
  if (checker)
    checker->passBarrier(number);
  for (uint32_t i = 0; i < launch.threads; ++i) {
    Thread &thread = threads[number * launch.threads + i];
    if (thread.state == State::AtBarrier)
      thread.state = State::Ready;
  }
}

void Machine::barrier() {
  uint32_t number = running->block;
  Block &block = blocks[number];
  if (++block.waiting == block.live) {
    releaseBarrier(number);
    return;
  }
  pause(State::AtBarrier);
}

void Machine::meet(WarpOperation operation, uint32_t detail, const uint32_t *operands,
                   uint32_t *results) {
  Thread &own = *running;
  uint32_t warp = own.thread / WarpThreads;
  Block &block = blocks[own.block];
  Thread *lanes = &threads[own.block * launch.threads + warp * WarpThreads];
  own.operation = operation;
  own.detail = detail;
  own.operands = operands;
  own.results = results;
  if (++block.arrived[warp] < WarpThreads)
    return pause(State::InWarp);
  block.arrived[warp] = 0;
  ++block.warpEpochs[warp];
  WarpLanes all;
  all.detail = detail;
  for (uint32_t lane = 0; lane < WarpThreads; ++lane) {
    if (lanes[lane].operation != operation || lanes[lane].detail != detail)
      fail("lanes of a warp take part in different operations");
    all.operands[lane] = lanes[lane].operands;
    all.results[lane] = lanes[lane].results;
    lanes[lane].state = State::Ready;
  }
  if (checker)
    checker->meetWarp(now());
  operation(all);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

uint8_t *Machine::sharedMemory() {
  auto address = reinterpret_cast<uintptr_t>(blocks[running->block].shared.data());
  return reinterpret_cast<uint8_t *>((address + 15) / 16 * 16);
}

bool Machine::isShared(const void *address) const {
  const std::vector<uint8_t> &shared = blocks[running->block].shared;
  auto *byte = static_cast<const uint8_t *>(address);
  return byte >= shared.data() && byte < shared.data() + shared.size();
}

Moment Machine::now() const {
  const Block &block = blocks[running->block];
  return {running->block,    running->thread,
          block.epoch,       block.warpEpochs[running->thread / WarpThreads],
          running->arrivals, running->fences};
}

/// Whether what the kernel may touch is there: shared memory, or what the launch says.
bool Machine::checkPlace(const void *address, uint64_t bytes, const char *what) {
  if (!launch.findFault || isShared(address))
    return true;
  std::string wrong = launch.findFault(address, bytes);
  if (wrong.empty())
    return true;
  fail("thread " + std::to_string(running->thread) + " of block " + std::to_string(running->block) +
       " " + what + " " + std::to_string(bytes) + " bytes " + wrong);
  return false;
}

void Machine::checkAlignment(const void *address, uint64_t alignment, const char *what) {
  if (reinterpret_cast<uintptr_t>(address) % alignment != 0)
    fail("thread " + std::to_string(running->thread) + " of block " +
         std::to_string(running->block) + " " + what + " at an address that is no multiple of " +
         std::to_string(alignment));
}

void Machine::read(const void *address, uint64_t bytes, bool isConstant) {
  if (!checkPlace(address, bytes, "reads"))
    return;
  using Source = RaceChecker::Source;
  Source source = isConstant          ? Source::Constant
                  : isShared(address) ? Source::Shared
                                      : Source::Global;
  if (std::string wrong = checker->read(address, bytes, now(), source); !wrong.empty())
    fail(std::move(wrong));
}

void Machine::write(const void *address, uint64_t bytes) {
  if (!checkPlace(address, bytes, "writes"))
    return;
  if (std::string wrong = checker->write(address, bytes, now()); !wrong.empty())
    fail(std::move(wrong));
}

uint64_t Machine::atomicLoad(const uint64_t *address, bool acquires) {
  Thread &own = *running;
  if (checker)
    checker->observe(address, own.block, acquires);
  uint64_t value = *address;
  own.spins = value == own.loaded;
  own.loaded = value;
  // Whoever loads again waits for another thread.
  pause(State::Ready);
  return value;
}

uint64_t Machine::atomicAdd(uint64_t *address, uint64_t value) {
  if (checker)
    checker->publish(address, running->block);
  return std::exchange(*address, *address + value);
}

void Machine::fence() {
  if (checker)
    checker->fence(now());
}

//===----------------------------------------------------------------------===//
// Copies that nobody waits for
//===----------------------------------------------------------------------===//

void Machine::copyAsync(void *to, const void *from, uint32_t bytes) {
  if (!isShared(to) || reinterpret_cast<uintptr_t>(to) % bytes != 0 ||
      reinterpret_cast<uintptr_t>(from) % bytes != 0)
    return fail("a copy of " + std::to_string(bytes) +
                " bytes is not from and to multiples of that, or not into shared memory");
  if (checker) {
    read(from, bytes, /*isConstant=*/false);
    if (std::string wrong = checker->beginCopy(to, bytes, now()); !wrong.empty())
      fail(std::move(wrong));
  }
  // From now on it may happen at any time.
  std::memset(to, 0xff, bytes);
  running->copies.push_back(
      {static_cast<uint8_t *>(to), static_cast<const uint8_t *>(from), bytes, running->openGroup});
}

void Machine::closeCopies() { ++running->openGroup; }

void Machine::fillShared(const Copy &copy) {
  std::memcpy(copy.to, copy.from, copy.bytes);
  if (checker)
    checker->endCopy(copy.to, copy.bytes, now());
}

void Machine::waitForCopies(uint32_t groupsLeft) {
  std::vector<Copy> &copies = running->copies;
  auto isDone = [&](const Copy &copy) { return copy.group + groupsLeft < running->openGroup; };
  for (const Copy &copy : copies)
    if (isDone(copy))
      fillShared(copy);
  std::erase_if(copies, isDone);
}
