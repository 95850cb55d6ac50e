//===- CuemuAsyncTest.cpp - Mbarriers, bulk copies, warpgroups, emulated ----===//
//
// Kernels of one warpgroup in LLVM IR: right ones, and each with one thing left out or wrong.
//
//===----------------------------------------------------------------------===//

#include "CuemuRun.h"

#include "gtest/gtest.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

constexpr uint32_t Threads = 128;

const std::string Declarations = R"(
@shared = external addrspace(3) global [0 x i8], align 16
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare void @llvm.nvvm.bar.warp.sync(i32)
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3), i32)
declare void @llvm.nvvm.mbarrier.inval.shared(ptr addrspace(3))
declare i64 @llvm.nvvm.mbarrier.arrive.shared(ptr addrspace(3))
declare i64 @llvm.nvvm.mbarrier.arrive.expect.tx.scope.cta.space.cta(ptr addrspace(3), i32)
declare i1 @llvm.nvvm.mbarrier.try.wait.parity.scope.cta.space.cta(ptr addrspace(3), i32)
declare void @llvm.nvvm.cp.async.bulk.global.to.shared.cluster(ptr addrspace(7), ptr addrspace(3), ptr addrspace(1), i32, i16, i64, i1, i1)
declare void @llvm.nvvm.wgmma.fence.sync.aligned()
declare void @llvm.nvvm.wgmma.commit_group.sync.aligned()
declare void @llvm.nvvm.wgmma.wait_group.sync.aligned(i64)
)";

const std::string Barrier = "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n";
const std::string WarpBarrier = "call void @llvm.nvvm.bar.warp.sync(i32 -1)\n";
const std::string ProxyFence = R"(call void asm sideeffect "fence.proxy.async;", "~{memory}"())"
                               "\n";

std::string number(uint64_t value) { return std::to_string(value); }

/// Writes kernels: names of values and blocks are its own.
class Writer {
public:
  std::string text;

  std::string fresh() { return "%v" + number(next++); }
  std::string shared(uint64_t offset) {
    return "getelementptr (i8, ptr addrspace(3) @shared, i64 " + number(offset) + ")";
  }
  /// For the threads of which `condition` holds.
  void onlyIf(const std::string &condition, const std::string &body) {
    std::string label = number(next++);
    text += "br i1 " + condition + ", label %in" + label + ", label %behind" + label + "\nin" +
            label + ":\n" + body + "br label %behind" + label + "\nbehind" + label + ":\n";
  }
  std::string waitFor(uint64_t barrier, uint32_t parity) {
    std::string label = number(next++), seen = fresh();
    return "br label %wait" + label + "\nwait" + label + ":\n" + seen +
           " = call i1 @llvm.nvvm.mbarrier.try.wait.parity.scope.cta.space.cta(ptr addrspace(3) " +
           shared(barrier) + ", i32 " + number(parity) + ")\nbr i1 " + seen + ", label %ready" +
           label + ", label %wait" + label + "\nready" + label + ":\n";
  }
  std::string kernel() const {
    return Declarations + R"(
define ptx_kernel void @kernel(ptr %memory) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %lane = and i32 %t, 31
  %first = icmp eq i32 %t, 0
  %firstLane = icmp eq i32 %lane, 0
)" + text + "ret void\n}\n";
  }

private:
  uint64_t next = 0;
};

std::string run(const Writer &writer, void *memory, uint64_t seed = 1) {
  return runKernel(writer.kernel(), {1, Threads, 16384, seed}, memory);
}

//===----------------------------------------------------------------------===//
// A pipeline of bulk copies
//===----------------------------------------------------------------------===//

/// Thread 0 copies stages of 512 bytes into two slots; every thread adds up its words of all
/// of them.
struct Pipeline {
  static constexpr uint32_t Stages = 5, Slots = 2, StageBytes = 4 * Threads;
  static constexpr uint64_t Full = Slots * StageBytes, Empty = Full + 8 * Slots;

  bool initBarrier = true, initFence = true, releasesEarly = false, syncsWarp = true;
  uint32_t expected = StageBytes, arrivals = Threads / 32;
  uint32_t leftOut = Stages;     ///< The stage that is not waited for.
  uint32_t overwritten = Stages; ///< The stage into whose slot the next is copied at once.

  std::string copy(Writer &writer, uint32_t stage) const {
    uint32_t slot = stage % Slots;
    std::string barrier = "ptr addrspace(3) " + writer.shared(Full + 8 * slot);
    std::string token = writer.fresh(), source = writer.fresh();
    std::string from = writer.fresh(), to = writer.fresh();
    return token + " = call i64 @llvm.nvvm.mbarrier.arrive.expect.tx.scope.cta.space.cta(" +
           barrier + ", i32 " + number(expected) + ")\n" + source +
           " = getelementptr i8, ptr %memory, i64 " + number(uint64_t(stage) * StageBytes) + "\n" +
           from + " = addrspacecast ptr " + source + " to ptr addrspace(1)\n" + to +
           " = addrspacecast ptr addrspace(3) " + writer.shared(uint64_t(slot) * StageBytes) +
           " to ptr addrspace(7)\n" +
           "call void @llvm.nvvm.cp.async.bulk.global.to.shared.cluster(ptr addrspace(7) " + to +
           ", " + barrier + ", ptr addrspace(1) " + from + ", i32 " + number(StageBytes) +
           ", i16 0, i64 0, i1 0, i1 0)\n";
  }

  void release(Writer &writer, uint32_t slot) const {
    if (syncsWarp)
      writer.text += WarpBarrier;
    std::string token = writer.fresh();
    writer.onlyIf("%firstLane", token +
                                    " = call i64 @llvm.nvvm.mbarrier.arrive.shared(ptr "
                                    "addrspace(3) " +
                                    writer.shared(Empty + 8 * slot) + ")\n");
  }

  void start(Writer &writer) const {
    std::string init;
    for (uint32_t slot = 0; slot < Slots; ++slot)
      for (auto [place, count] : {std::pair(Full, 1u), {Empty, arrivals}})
        init += "call void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3) " +
                writer.shared(place + 8 * slot) + ", i32 " + number(count) + ")\n";
    if (initFence)
      init += ProxyFence;
    for (uint32_t stage = 0; stage < Slots; ++stage)
      init += copy(writer, stage);
    writer.onlyIf("%first", init);
    if (initBarrier)
      writer.text += Barrier;
  }

  Writer write() const {
    Writer writer;
    start(writer);
    std::string sum = "0";
    for (uint32_t stage = 0; stage < Stages; ++stage) {
      uint32_t slot = stage % Slots, parity = stage / Slots % 2;
      if (stage != leftOut)
        writer.text += writer.waitFor(Full + 8 * slot, parity);
      if (releasesEarly)
        release(writer, slot);
      std::string place = writer.fresh(), word = writer.fresh(), next = writer.fresh();
      writer.text += place + " = getelementptr i32, ptr addrspace(3) " +
                     writer.shared(uint64_t(slot) * StageBytes) + ", i32 %t\n" + word +
                     " = load i32, ptr addrspace(3) " + place + "\n" + next + " = add i32 " + sum +
                     ", " + word + "\n";
      sum = next;
      if (!releasesEarly)
        release(writer, slot);
      if (stage + Slots < Stages) {
        std::string wait = stage == overwritten ? "" : writer.waitFor(Empty + 8 * slot, parity);
        writer.onlyIf("%first", wait + copy(writer, stage + Slots));
      }
    }
    writer.text += Barrier + "%out = getelementptr i32, ptr %memory, i32 %t\nstore i32 " + sum +
                   ", ptr %out\n";
    return writer;
  }
};

struct CuemuAsyncTest : testing::Test {
  alignas(16) uint32_t memory[Pipeline::Stages * Threads];

  CuemuAsyncTest() {
    for (uint32_t i = 0; i < std::size(memory); ++i)
      memory[i] = i * i + 7;
  }
  std::string run(const Pipeline &pipeline, uint64_t seed = 1) {
    return ::run(pipeline.write(), memory, seed);
  }
};

TEST_F(CuemuAsyncTest, BulkCopiesComeAheadOfTheirPhase) {
  std::vector<uint32_t> expected(Threads);
  for (uint32_t i = 0; i < std::size(memory); ++i)
    expected[i % Threads] += memory[i];
  ASSERT_EQ(run({}), "");
  for (uint32_t i = 0; i < Threads; ++i)
    EXPECT_EQ(memory[i], expected[i]);
  for (uint64_t seed = 2; seed <= 8; ++seed)
    EXPECT_EQ(run({}, seed), "");
}

TEST_F(CuemuAsyncTest, AnMbarrierWithoutABarrierBehindItIsFound) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    std::string wrong = run({.initBarrier = false}, seed);
    EXPECT_TRUE(contains(wrong, "race") || contains(wrong, "mbarrier that is not there")) << wrong;
  }
}

TEST_F(CuemuAsyncTest, AnMbarrierWithoutAFenceOfProxiesIsFound) {
  EXPECT_TRUE(contains(run({.initFence = false}), "without a fence of proxies"));
}

TEST_F(CuemuAsyncTest, AWaitTooFewIsFound) {
  for (uint32_t stage = 0; stage < Pipeline::Stages; ++stage) {
    std::string wrong = run({.leftOut = stage});
    EXPECT_TRUE(contains(wrong, "still copied") || contains(wrong, "race")) << wrong;
  }
}

TEST_F(CuemuAsyncTest, AWrongCountOfBytesIsFound) {
  for (uint32_t expected : {Pipeline::StageBytes - 16, Pipeline::StageBytes + 16}) {
    std::string wrong = run({.expected = expected});
    EXPECT_TRUE(contains(wrong, "deadlock") && contains(wrong, "lacks 0 arrivals")) << wrong;
    EXPECT_TRUE(contains(wrong, expected < Pipeline::StageBytes ? "-16 bytes" : "16 bytes"));
  }
}

TEST_F(CuemuAsyncTest, AWrongCountOfArrivalsIsFound) {
  std::string wrong = run({.arrivals = Threads / 32 + 1});
  EXPECT_TRUE(contains(wrong, "deadlock") && contains(wrong, "lacks 1 arrivals")) << wrong;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    wrong = run({.arrivals = Threads / 32 - 1}, seed);
    EXPECT_TRUE(contains(wrong, "race") || contains(wrong, "more threads arrive")) << wrong;
  }
}

TEST_F(CuemuAsyncTest, AStageThatIsReleasedEarlyIsFound) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    std::string wrong = run({.releasesEarly = true}, seed);
    EXPECT_TRUE(contains(wrong, "race") || contains(wrong, "still copied")) << wrong;
  }
}

/// One lane tells that all have read, without having met them.
TEST_F(CuemuAsyncTest, AReleaseForLanesThatWereNotMetIsFound) {
  for (uint64_t seed = 1; seed <= 8; ++seed)
    EXPECT_NE(run({.syncsWarp = false}, seed), "");
}

TEST_F(CuemuAsyncTest, AStageThatIsFilledWithoutAWaitIsFound) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    std::string wrong = run({.overwritten = 1}, seed);
    EXPECT_TRUE(contains(wrong, "race") || contains(wrong, "still copied")) << wrong;
  }
}

TEST_F(CuemuAsyncTest, BulkCopiesThatNobodyWaitsForAreFound) {
  Pipeline pipeline;
  Writer writer;
  pipeline.start(writer);
  EXPECT_TRUE(contains(::run(writer, memory), "ends ahead of its bulk copies"));
}

TEST_F(CuemuAsyncTest, ABulkCopyOfAnOddPlaceIsFound) {
  std::string wrong = ::run(Pipeline{}.write(), reinterpret_cast<uint8_t *>(memory) + 8);
  EXPECT_TRUE(contains(wrong, "multiples of 16")) << wrong;
}

TEST_F(CuemuAsyncTest, AnMbarrierOverAnotherIsFound) {
  Writer writer;
  std::string init = "call void @llvm.nvvm.mbarrier.init.shared(ptr addrspace(3) " +
                     writer.shared(0) + ", i32 1)\n";
  std::string end =
      "call void @llvm.nvvm.mbarrier.inval.shared(ptr addrspace(3) " + writer.shared(0) + ")\n";
  writer.onlyIf("%first", init + end + init);
  EXPECT_EQ(::run(writer, memory), "");
  writer.onlyIf("%first", init);
  EXPECT_TRUE(contains(::run(writer, memory), "made where there is one"));
}

//===----------------------------------------------------------------------===//
// Products of a warpgroup
//===----------------------------------------------------------------------===//

/// Memory: A, four words of each thread; B, bf16 [column][k]; D, of each thread.  Threads copy B
/// into shared memory; two products of 16 k follow one another.
struct Product {
  static constexpr uint32_t Columns = 24, K = 32, Sums = Columns / 2;
  static constexpr uint64_t AWords = Threads * 4, BWords = Columns * K / 2;
  /// Of shared memory: 8 k of 8 columns are neighbours, then columns, then k.
  static constexpr uint64_t Stride = 128, Leading = Columns / 8 * Stride;

  bool fencesProxies = true, fences = true, meets = true, takesAll = true, waits = true;
  bool overwrites = false;
  uint32_t groupsLeft = 0;

  void copyIn(Writer &writer) const {
    for (uint32_t column = 0; column < Columns; ++column) {
      // Threads 0 to 15 take two k each.
      std::string low = writer.fresh(), from = writer.fresh(), word = writer.fresh();
      std::string block = writer.fresh(), offset = writer.fresh(), start = writer.fresh();
      std::string place = writer.fresh(), inBlock = writer.fresh();
      uint64_t base = column / 8 * Stride + column % 8 * 16;
      writer.text += low + " = icmp ult i32 %t, 16\n";
      writer.onlyIf(low, start + " = add i32 %t, " + number(AWords + column * K / 2) + "\n" + from +
                             " = getelementptr i32, ptr %memory, i32 " + start + "\n" + word +
                             " = load i32, ptr " + from + "\n" + block + " = udiv i32 %t, 4\n" +
                             inBlock + " = urem i32 %t, 4\n" + offset + " = mul i32 " + block +
                             ", " + number(Leading / 4) + "\n%o" + place.substr(1) + " = add i32 " +
                             offset + ", " + inBlock + "\n" + place +
                             " = getelementptr i32, ptr addrspace(3) " + writer.shared(base) +
                             ", i32 %o" + place.substr(1) + "\nstore i32 " + word +
                             ", ptr addrspace(3) " + place + "\n");
    }
  }

  static std::string type() {
    std::string all;
    for (uint32_t i = 0; i < Sums; ++i)
      all += i ? ", float" : "float";
    return "{" + all + "}";
  }
  static std::string join(uint32_t count, const char *part) {
    std::string all;
    for (uint32_t i = 0; i < count; ++i)
      all += std::string(i ? "," : "") + part;
    return all;
  }
  static std::string ties() {
    std::string all;
    for (uint32_t i = 0; i < Sums; ++i)
      all += "," + number(i);
    return all;
  }

  std::vector<std::string> unpack(Writer &writer, const std::string &all) const {
    std::vector<std::string> sums;
    for (uint32_t i = 0; i < Sums; ++i) {
      sums.push_back(writer.fresh());
      writer.text +=
          sums.back() + " = extractvalue " + type() + " " + all + ", " + number(i) + "\n";
    }
    return sums;
  }

  std::string multiply(Writer &writer, uint32_t step, const std::vector<std::string> &sums) const {
    std::string address = writer.fresh(), masked = writer.fresh(), units = writer.fresh();
    std::string full = writer.fresh(), all = writer.fresh(), operands, registers;
    uint64_t layout = Leading / 16 << 16 | Stride / 16 << 32;
    writer.text += address + " = ptrtoint ptr addrspace(3) " + writer.shared(step * 2 * Leading) +
                   " to i64\n" + masked + " = and i64 " + address + ", 262143\n" + units +
                   " = lshr i64 " + masked + ", 4\n" + full + " = or i64 " + units + ", " +
                   number(layout) + "\n";
    for (uint32_t i = 0; i < 4; ++i)
      operands += "i32 %a" + number(i) + ", ";
    operands += "i64 " + full;
    for (uint32_t i = 0; i < Sums; ++i) {
      operands += ", float " + sums[i];
      registers += (i ? ", $" : "$") + number(i);
    }
    writer.text += all + " = call " + type() +
                   " asm sideeffect \"wgmma.mma_async.sync.aligned.m64n24k16.f32.bf16.bf16 {" +
                   registers + "}, {A}, B, 1, 1, 1, 0;\", \"" + join(Sums, "=f") + ",r,r,r,r,l" +
                   ties() + ",~{memory}\"(" + operands + ")\n";
    return all;
  }

  std::string finish(Writer &writer, const std::vector<std::string> &sums) const {
    std::string all = writer.fresh(), operands;
    for (const std::string &sum : sums)
      operands += std::string(operands.empty() ? "" : ", ") + "float " + sum;
    writer.text += all + " = call " + type() + " asm sideeffect \"wgmma.wait_group.sync.aligned " +
                   number(groupsLeft) + ";\", \"" + join(Sums, "=f") + ties() + ",~{memory}\"(" +
                   operands + ")\n";
    return all;
  }

  void multiplyAll(Writer &writer) const {
    std::vector<std::string> sums(Sums, "0.0");
    for (uint32_t step = 0; step < K / 16; ++step) {
      if (fences)
        writer.text += "call void @llvm.nvvm.wgmma.fence.sync.aligned()\n";
      sums = unpack(writer, multiply(writer, step, sums));
      writer.text += "call void @llvm.nvvm.wgmma.commit_group.sync.aligned()\n";
    }
    if (overwrites)
      writer.onlyIf("%first", "store i32 0, ptr addrspace(3) @shared\n");
    if (waits)
      sums = unpack(writer, finish(writer, sums));
    for (uint32_t i = 0; i < Sums; ++i) {
      std::string index = writer.fresh(), place = writer.fresh();
      writer.text += index + " = mul i32 %t, " + number(Sums) + "\n%i" + place.substr(1) +
                     " = add i32 " + index + ", " + number(AWords + BWords + i) + "\n" + place +
                     " = getelementptr i32, ptr %memory, i32 %i" + place.substr(1) +
                     "\nstore float " + sums[i] + ", ptr " + place + "\n";
    }
  }

  Writer write() const {
    Writer writer;
    copyIn(writer);
    if (fencesProxies)
      writer.text += ProxyFence;
    if (meets)
      writer.text += Barrier;
    for (uint32_t i = 0; i < 4; ++i) {
      std::string n = number(i);
      writer.text += "%b" + n + " = mul i32 %t, 4\n%c" + n + " = add i32 %b" + n + ", " + n +
                     "\n%d" + n + " = getelementptr i32, ptr %memory, i32 %c" + n + "\n%a" + n +
                     " = load i32, ptr %d" + n + "\n";
    }
    if (takesAll) {
      multiplyAll(writer);
      return writer;
    }
    writer.text += "%some = icmp ult i32 %t, 96\nbr i1 %some, label %go, label %stay\ngo:\n";
    multiplyAll(writer);
    writer.text += "br label %stay\nstay:\n";
    return writer;
  }
};

struct CuemuProductTest : testing::Test {
  std::vector<uint32_t> memory;
  float a[64][16], b[Product::Columns][Product::K];

  static uint32_t bits(float x) { return std::bit_cast<uint32_t>(x) >> 16; }

  /// The PTX ISA, "Register Fragments for wgmma.mma_async.m64nNk16".
  CuemuProductTest() : memory(Product::AWords + Product::BWords + Threads * Product::Sums) {
    for (int row = 0; row < 64; ++row)
      for (int k = 0; k < 16; ++k)
        a[row][k] = (row * 5 + k * 3) % 17 - 8;
    for (int column = 0; column < int(Product::Columns); ++column)
      for (int k = 0; k < int(Product::K); ++k)
        b[column][k] = (column * 7 + k * k) % 13 - 6;
    for (uint32_t t = 0; t < Threads; ++t)
      for (uint32_t i = 0; i < 4; ++i) {
        uint32_t row = t / 32 * 16 + t % 32 / 4 + i % 2 * 8, k = t % 4 * 2 + i / 2 * 8;
        memory[t * 4 + i] = bits(a[row][k]) | bits(a[row][k + 1]) << 16;
      }
    for (uint32_t i = 0; i < Product::BWords; ++i) {
      const float *pair = &b[i * 2 / Product::K][i * 2 % Product::K];
      memory[Product::AWords + i] = bits(pair[0]) | bits(pair[1]) << 16;
    }
  }

  float sumOf(uint32_t thread, uint32_t i) const {
    return std::bit_cast<float>(
        memory[Product::AWords + Product::BWords + thread * Product::Sums + i]);
  }
  std::string run(const Product &product, uint64_t seed = 1) {
    return ::run(product.write(), memory.data(), seed);
  }
};

TEST_F(CuemuProductTest, ProductsAreThoseOfTheirMatrices) {
  ASSERT_EQ(run({}), "");
  for (uint32_t t = 0; t < Threads; ++t)
    for (uint32_t i = 0; i < Product::Sums; ++i) {
      uint32_t row = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8;
      uint32_t column = i / 4 * 8 + t % 4 * 2 + i % 2;
      float sum = 0;
      for (uint32_t k = 0; k < Product::K; ++k)
        sum += a[row][k % 16] * b[column][k];
      ASSERT_EQ(sumOf(t, i), sum) << "thread " << t << ", sum " << i;
    }
}

TEST_F(CuemuProductTest, AnOperandWithoutAFenceOfProxiesIsFound) {
  EXPECT_TRUE(contains(run({.fencesProxies = false}), "without a fence of proxies"));
}

TEST_F(CuemuProductTest, AnOperandWithoutABarrierIsFound) {
  EXPECT_TRUE(contains(run({.meets = false}), "race"));
}

TEST_F(CuemuProductTest, AMissingFenceIsFound) {
  EXPECT_TRUE(contains(run({.fences = false}), "without wgmma.fence"));
}

TEST_F(CuemuProductTest, AWaitForAGroupTooFewIsFound) {
  EXPECT_TRUE(contains(run({.groupsLeft = 1}), "ahead of the wait for their group"));
}

/// The sums are NaN, and the warps end ahead of them.
TEST_F(CuemuProductTest, SumsThatNobodyWaitsForAreFound) {
  EXPECT_TRUE(contains(run({.waits = false}), "ends ahead of its products"));
  EXPECT_TRUE(std::isnan(sumOf(0, 0)));
}

TEST_F(CuemuProductTest, AnOperandThatIsOverwrittenIsFound) {
  for (uint64_t seed = 1; seed <= 8; ++seed)
    EXPECT_TRUE(contains(run({.overwrites = true}, seed), "what a product still reads"));
}

TEST_F(CuemuProductTest, AProductOfThreeWarpsIsFound) {
  EXPECT_TRUE(contains(run({.takesAll = false}), "without all warps of its warpgroup"));
}

} // namespace
