//===- CuemuTest.cpp - What the GPU emulator finds --------------------------===//
//
// Small kernels in LLVM IR: right ones, and each with one thing left out.
//
//===----------------------------------------------------------------------===//

#include "CuemuRun.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

using namespace lathe::cuemu;

namespace {

constexpr uint32_t Threads = 64;

const std::string Declarations = R"(
@shared = external addrspace(3) global [0 x i8], align 16
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
declare i32 @llvm.nvvm.shfl.sync.bfly.i32(i32, i32, i32, i32)
declare void @llvm.nvvm.bar.warp.sync(i32)
declare void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3), ptr addrspace(1))
declare void @llvm.nvvm.cp.async.commit.group()
declare void @llvm.nvvm.cp.async.wait.group(i32)
declare {i32, i32, i32, i32} @llvm.nvvm.mma.m16n8k32.row.col.s8(i32, i32, i32, i32, i32, i32, i32, i32, i32, i32)
declare {i32, i32, i32, i32} @llvm.nvvm.mma.m16n8k16.row.col.s8(i32, i32, i32, i32, i32, i32, i32)
declare {float, float, float, float} @llvm.nvvm.mma.m16n8k16.row.col.bf16(i32, i32, i32, i32, i32, i32, float, float, float, float)
)";

const std::string Barrier = "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n";

/// Runs @kernel; what went wrong, or "".
std::string run(const std::string &body, void *argument, uint32_t blocks = 1, uint64_t seed = 1) {
  return runKernel(Declarations + body, {blocks, Threads, 2048, seed}, argument);
}

/// Every thread gives its number to the thread across the block; `between` is what
/// stands between the two accesses.
std::string exchange(const std::string &between) {
  return R"(
define ptx_kernel void @kernel(ptr %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %own = getelementptr i32, ptr addrspace(3) @shared, i32 %t
  store i32 %t, ptr addrspace(3) %own
  )" + between +
         R"(
  %across = sub i32 63, %t
  %other = getelementptr i32, ptr addrspace(3) @shared, i32 %across
  %got = load i32, ptr addrspace(3) %other
  %place = getelementptr i32, ptr %out, i32 %t
  store i32 %got, ptr %place
  ret void
})";
}

TEST(CuemuTest, ABarrierOrdersSharedMemory) {
  std::vector<uint32_t> out(Threads);
  EXPECT_EQ(run(exchange(Barrier), out.data()), "");
  for (uint32_t i = 0; i < Threads; ++i)
    EXPECT_EQ(out[i], Threads - 1 - i);
}

/// Whatever the order of threads: the numbers may be right by chance.
TEST(CuemuTest, AMissingBarrierIsFound) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    std::vector<uint32_t> out(Threads);
    std::string wrong = run(exchange(""), out.data(), 1, seed);
    EXPECT_TRUE(contains(wrong, "race") || contains(wrong, "that no thread wrote")) << wrong;
  }
}

/// A warp's operation orders its own lanes, and not those of other warps.
TEST(CuemuTest, AShuffleOrdersOneWarpAlone) {
  std::vector<uint32_t> out(Threads);
  const std::string shuffle =
      "%s = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %t, i32 1, i32 31)\n";
  EXPECT_NE(run(exchange(shuffle), out.data()), "");
  std::string inWarp = exchange(shuffle);
  inWarp.replace(inWarp.find("sub i32 63, %t"), 14, "xor i32 %t, 31");
  EXPECT_EQ(run(inWarp, out.data()), "");
}

TEST(CuemuTest, SharedMemoryHoldsNothingAtFirst) {
  std::string body = exchange(Barrier);
  body.replace(body.find("store i32 %t, ptr addrspace(3) %own"), 35, "");
  std::vector<uint32_t> out(Threads);
  EXPECT_TRUE(contains(run(body, out.data()), "reads shared memory that no thread wrote"));
}

TEST(CuemuTest, ShufflesGiveTheirNumbers) {
  std::vector<uint32_t> out(Threads);
  EXPECT_EQ(run(R"(
define ptx_kernel void @kernel(ptr %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %s = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %t, i32 5, i32 31)
  %place = getelementptr i32, ptr %out, i32 %t
  store i32 %s, ptr %place
  ret void
})",
                out.data()),
            "");
  for (uint32_t i = 0; i < Threads; ++i)
    EXPECT_EQ(out[i], i ^ 5);
}

/// A warp's barrier orders its own lanes, and not those of other warps.
TEST(CuemuTest, ABarrierOfAWarpOrdersOneWarpAlone) {
  std::vector<uint32_t> out(Threads);
  const std::string sync = "call void @llvm.nvvm.bar.warp.sync(i32 -1)\n";
  EXPECT_NE(run(exchange(sync), out.data()), "");
  std::string inWarp = exchange(sync);
  inWarp.replace(inWarp.find("sub i32 63, %t"), 14, "xor i32 %t, 31");
  EXPECT_EQ(run(inWarp, out.data()), "");
}

/// Half of a block waits at a barrier, the other half for a number that nobody writes.
TEST(CuemuTest, ABarrierThatHalfABlockNeverComesToIsADeadlock) {
  uint64_t memory = 0;
  std::string wrong = run(R"(
define ptx_kernel void @kernel(ptr %memory) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %low = icmp ult i32 %t, 32
  br i1 %low, label %meet, label %spin
spin:
  %seen = load atomic i64, ptr %memory syncscope("device") acquire, align 8
  %wait = icmp eq i64 %seen, 0
  br i1 %wait, label %spin, label %meet
meet:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  ret void
})",
                          &memory);
  EXPECT_TRUE(contains(wrong, "deadlock: 32 threads wait at a barrier")) << wrong;
  EXPECT_TRUE(contains(wrong, "32 for memory to change")) << wrong;
}

TEST(CuemuTest, AShuffleOfHalfAWarpIsADeadlock) {
  uint32_t nothing = 0;
  std::string wrong = run(R"(
define ptx_kernel void @kernel(ptr %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %low = icmp ult i32 %t, 16
  br i1 %low, label %one, label %two
one:
  %s = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %t, i32 1, i32 31)
  br label %two
two:
  ret void
})",
                          &nothing);
  EXPECT_TRUE(contains(wrong, "deadlock: 0 threads wait at a barrier, 16 for other lanes"))
      << wrong;
}

/// What blocks give each other: an i64 counter, and an i32 for each block behind it.
/// Block b writes its i32, all meet, and it reads that of the next block.
std::string gridExchange(const std::string &first, const std::string &release,
                         const std::string &order, const std::string &last) {
  return R"(
define ptx_kernel void @kernel(ptr %memory) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %n = call i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
  %values = getelementptr i8, ptr %memory, i32 8
  %own = getelementptr i32, ptr %values, i32 %b
  %isLast = icmp eq i32 %t, 63
  br i1 %isLast, label %write, label %meet
write:
  store i32 %b, ptr %own
  br label %meet
meet:
  )" + first +
         R"(
  %isFirst = icmp eq i32 %t, 0
  br i1 %isFirst, label %arrive, label %go
arrive:
  )" + release +
         R"(
  %ticket = atomicrmw add ptr %memory, i64 1 syncscope("device") monotonic
  br label %spin
spin:
  %seen = load atomic i64, ptr %memory syncscope("device") )" +
         order + R"(, align 8
  %all = zext i32 %n to i64
  %wait = icmp ult i64 %seen, %all
  br i1 %wait, label %spin, label %go
go:
  )" + last +
         R"(
  %next = add i32 %b, 1
  %wrapped = urem i32 %next, %n
  %other = getelementptr i32, ptr %values, i32 %wrapped
  %got = load i32, ptr %other
  ret void
})";
}

const std::string Fence = "fence syncscope(\"device\") acq_rel\n";

TEST(CuemuTest, AGridBarrierOrdersBlocks) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    uint64_t memory[8] = {};
    EXPECT_EQ(run(gridExchange(Barrier, Fence, "acquire", Barrier), memory, 3, seed), "");
  }
}

TEST(CuemuTest, AGridBarrierWithoutAFenceIsFound) {
  uint64_t memory[8] = {};
  EXPECT_TRUE(contains(run(gridExchange(Barrier, "", "acquire", Barrier), memory, 3), "race"));
}

/// Thread 0 tells of what another thread of its block may not have written yet.
TEST(CuemuTest, AGridBarrierThatTheBlockDoesNotMeetAtIsFound) {
  uint64_t before[8] = {}, behind[8] = {};
  EXPECT_TRUE(contains(run(gridExchange("", Fence, "acquire", Barrier), before, 3), "race"));
  EXPECT_TRUE(contains(run(gridExchange(Barrier, Fence, "acquire", ""), behind, 3), "race"));
}

/// A relaxed load shows the count, and nothing that was written ahead of it.
TEST(CuemuTest, AGridBarrierWithARelaxedLoadIsFound) {
  uint64_t memory[8] = {};
  EXPECT_TRUE(contains(run(gridExchange(Barrier, Fence, "monotonic", Barrier), memory, 3), "race"));
}

TEST(CuemuTest, AGridBarrierThatABlockNeverComesToIsADeadlock) {
  uint64_t memory[8] = {};
  std::string body = gridExchange(Barrier, Fence, "acquire", Barrier);
  body.replace(body.find("zext i32 %n to i64"), 18, "add i64 4, 0      ");
  std::string wrong = run(body, memory, 3);
  EXPECT_TRUE(contains(wrong, "deadlock") && contains(wrong, "3 for memory to change")) << wrong;
}

/// PTX's non-coherent loads may give what was there before the kernel began.
TEST(CuemuTest, AConstantThatTheKernelWritesIsFound) {
  std::vector<uint32_t> out(Threads);
  std::string body = exchange(Barrier);
  body.insert(body.find("ret void"), "%again = load i32, ptr %place, !invariant.load !0\n");
  EXPECT_TRUE(contains(run(body + "\n!0 = !{}\n", out.data()), "reads as constant"));
}

//===----------------------------------------------------------------------===//
// Tensor cores
//===----------------------------------------------------------------------===//

/// A product of every warp: each thread reads its words of A, B and C, one behind the other,
/// and puts four words of D in their place.
std::string product(const std::string &name, const std::string &sum, int words) {
  std::string body = R"(
define ptx_kernel void @kernel(ptr %memory) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %start = mul i32 %t, 16
  %own = getelementptr i32, ptr %memory, i32 %start
)",
              operands;
  for (int i = 0; i < words; ++i) {
    std::string number = std::to_string(i), type = i < words - 4 ? "i32" : sum;
    body += "%p" + number + " = getelementptr i32, ptr %own, i32 " + number + "\n";
    body += "%w" + number + " = load " + type + ", ptr %p" + number + "\n";
    operands += (i ? ", " : "") + type + " %w" + number;
  }
  std::string all = "{" + sum + ", " + sum + ", " + sum + ", " + sum + "}";
  body += "%d = call " + all + " @llvm.nvvm.mma." + name + "(" + operands + ")\n";
  for (int i = 0; i < 4; ++i) {
    std::string number = std::to_string(i);
    body += "%d" + number + " = extractvalue " + all + " %d, " + number + "\n";
    body += "store " + sum + " %d" + number + ", ptr %p" + number + "\n";
  }
  return body + "ret void\n}";
}

/// The PTX ISA, "Matrix Fragments for mma.m16n8k32" and "... for mma.m16n8k16": row and
/// column of byte i of A, of B and of element i of D, in a lane.  `perWord` elements of A and
/// B are in a word.
struct Place {
  int row, column;
};
Place placeOfA(int lane, int i, int perWord) {
  int word = i / perWord;
  return {lane / 4 + (word % 2 == 0 ? 0 : 8),
          lane % 4 * perWord + i % perWord + (word < 2 ? 0 : 4 * perWord)};
}
Place placeOfB(int lane, int i, int perWord) {
  return {lane % 4 * perWord + i % perWord + (i < perWord ? 0 : 4 * perWord), lane / 4};
}
Place placeOfD(int lane, int i) { return {lane / 4 + (i < 2 ? 0 : 8), lane % 4 * 2 + i % 2}; }

TEST(CuemuTest, ProductsOfBytesAreThoseOfTheirMatrices) {
  for (int depth : {32, 16}) {
    int halves = depth / 16;
    std::vector<uint32_t> memory(Threads * 16);
    int a[16][32] = {}, b[32][8] = {}, d[16][8] = {};
    auto number = [](int i, int k) { return (i * 37 + k * 11 + i * k) % 256 - 128; };
    for (int lane = 0; lane < 32; ++lane) {
      auto *bytes = reinterpret_cast<int8_t *>(&memory[lane * 16]);
      for (int i = 0; i < 8 * halves; ++i) {
        Place place = placeOfA(lane, i, 4);
        bytes[i] = a[place.row][place.column] = number(place.row, place.column);
      }
      for (int i = 0; i < 4 * halves; ++i) {
        Place place = placeOfB(lane, i, 4);
        bytes[8 * halves + i] = b[place.row][place.column] = number(place.column + 3, place.row);
      }
      for (int i = 0; i < 4; ++i)
        memory[lane * 16 + 3 * halves + i] = 1000 * i;
      std::copy_n(&memory[lane * 16], 16, &memory[(lane + 32) * 16]);
    }
    for (int row = 0; row < 16; ++row)
      for (int column = 0; column < 8; ++column)
        for (int k = 0; k < depth; ++k)
          d[row][column] += a[row][k] * b[k][column];
    std::string name = "m16n8k" + std::to_string(depth) + ".row.col.s8";
    ASSERT_EQ(run(product(name, "i32", 3 * halves + 4), memory.data()), "");
    for (int thread = 0; thread < 64; ++thread)
      for (int i = 0; i < 4; ++i) {
        Place place = placeOfD(thread % 32, i);
        EXPECT_EQ(static_cast<int>(memory[thread * 16 + i]), d[place.row][place.column] + 1000 * i);
      }
  }
}

/// Small integers, so that no order of sums makes a difference.
TEST(CuemuTest, ProductsOfBF16AreThoseOfTheirMatrices) {
  std::vector<uint32_t> memory(Threads * 16);
  float a[16][16], b[16][8], d[16][8] = {};
  auto number = [](int i, int k) { return static_cast<float>((i * 5 + k * 3 + i * k) % 15 - 7); };
  auto bits = [](float x) { return llvm::bit_cast<uint32_t>(x); };
  for (int lane = 0; lane < 32; ++lane) {
    auto *halves = reinterpret_cast<uint16_t *>(&memory[lane * 16]);
    for (int i = 0; i < 8; ++i) {
      Place place = placeOfA(lane, i, 2);
      halves[i] = bits(a[place.row][place.column] = number(place.row, place.column)) >> 16;
    }
    for (int i = 0; i < 4; ++i) {
      Place place = placeOfB(lane, i, 2);
      halves[8 + i] = bits(b[place.row][place.column] = number(place.column + 3, place.row)) >> 16;
    }
    for (int i = 0; i < 4; ++i)
      memory[lane * 16 + 6 + i] = bits(100.0f * static_cast<float>(i));
    std::copy_n(&memory[lane * 16], 16, &memory[(lane + 32) * 16]);
  }
  for (int row = 0; row < 16; ++row)
    for (int column = 0; column < 8; ++column)
      for (int k = 0; k < 16; ++k)
        d[row][column] += a[row][k] * b[k][column];
  ASSERT_EQ(run(product("m16n8k16.row.col.bf16", "float", 10), memory.data()), "");
  for (int thread = 0; thread < 64; ++thread)
    for (int i = 0; i < 4; ++i) {
      Place place = placeOfD(thread % 32, i);
      EXPECT_EQ(memory[thread * 16 + i],
                bits(d[place.row][place.column] + 100.0f * static_cast<float>(i)));
    }
}

/// Even and odd lanes come to different operations of the warp.
TEST(CuemuTest, LanesThatPartAreFound) {
  uint32_t nothing = 0;
  std::string wrong = run(R"(
define ptx_kernel void @kernel(ptr %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %low = and i32 %t, 1
  %isOdd = icmp eq i32 %low, 1
  br i1 %isOdd, label %one, label %two
one:
  %s = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %t, i32 1, i32 31)
  ret void
two:
  call void @llvm.nvvm.bar.warp.sync(i32 -1)
  ret void
})",
                          &nothing);
  EXPECT_TRUE(contains(wrong, "different operations")) << wrong;
}

//===----------------------------------------------------------------------===//
// Copies that nobody waits for
//===----------------------------------------------------------------------===//

const std::string Commit = "call void @llvm.nvvm.cp.async.commit.group()\n";

std::string copy(const std::string &to, const std::string &from) {
  return "call void @llvm.nvvm.cp.async.cg.shared.global.16(ptr addrspace(3) %" + to +
         ", ptr addrspace(1) %" + from + ")\n";
}

std::string waitFor(int groupsLeft) {
  return "call void @llvm.nvvm.cp.async.wait.group(i32 " + std::to_string(groupsLeft) + ")\n";
}

/// Two groups of copies of 16 bytes, into two stages of 1 KiB; then `first`, a read of the
/// first stage, `second`, and one of the second: of what the thread across the block copied.
/// `reuse` stands between them.
std::string pipeline(const std::string &first, const std::string &second,
                     const std::string &reuse = "") {
  return R"(
define ptx_kernel void @kernel(ptr %memory) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %place = mul i32 %t, 16
  %across = sub i32 63, %t
  %there = mul i32 %across, 16
  %g0 = addrspacecast ptr %memory to ptr addrspace(1)
  %g1 = getelementptr i8, ptr addrspace(1) %g0, i32 1024
  %from0 = getelementptr i8, ptr addrspace(1) %g0, i32 %place
  %from1 = getelementptr i8, ptr addrspace(1) %g1, i32 %place
  %s1 = getelementptr i8, ptr addrspace(3) @shared, i32 1024
  %to0 = getelementptr i8, ptr addrspace(3) @shared, i32 %place
  %to1 = getelementptr i8, ptr addrspace(3) %s1, i32 %place
  )" + copy("to0", "from0") +
         Commit + copy("to1", "from1") + Commit + first + R"(
  %in0 = getelementptr i8, ptr addrspace(3) @shared, i32 %there
  %x = load i32, ptr addrspace(3) %in0
  )" + reuse +
         second + R"(
  %in1 = getelementptr i8, ptr addrspace(3) %s1, i32 %there
  %y = load i32, ptr addrspace(3) %in1
  %sum = add i32 %x, %y
  %out0 = getelementptr i8, ptr addrspace(1) %g1, i32 1024
  %out = getelementptr i32, ptr addrspace(1) %out0, i32 %t
  store i32 %sum, ptr addrspace(1) %out
  ret void
})";
}

struct Pipeline {
  alignas(16) uint32_t memory[(1024 + 1024) / 4 + Threads];
  std::string run(const std::string &body, uint64_t seed = 1) {
    for (uint32_t i = 0; i < 512; ++i)
      memory[i] = i;
    return ::run(body, memory, 1, seed);
  }
};

TEST(CuemuTest, CopiesComeInTheirGroups) {
  Pipeline own;
  EXPECT_EQ(own.run(pipeline(waitFor(1) + Barrier, waitFor(0) + Barrier)), "");
  for (uint32_t i = 0; i < Threads; ++i)
    EXPECT_EQ(own.memory[512 + i], 4 * (63 - i) + 256 + 4 * (63 - i));
  EXPECT_EQ(own.run(pipeline(waitFor(0) + Barrier, "")), "");
}

TEST(CuemuTest, AWaitForTooFewCopiesIsFound) {
  Pipeline own;
  std::string wrong = own.run(pipeline(waitFor(2) + Barrier, waitFor(0) + Barrier));
  EXPECT_TRUE(contains(wrong, "reads what is still copied by")) << wrong;
  wrong = own.run(pipeline(waitFor(1) + Barrier, waitFor(1) + Barrier));
  EXPECT_TRUE(contains(wrong, "reads what is still copied by")) << wrong;
}

/// A wait is for the thread's own copies alone.
TEST(CuemuTest, ACopyWithoutABarrierIsFound) {
  Pipeline own;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    std::string wrong = own.run(pipeline(waitFor(0), Barrier), seed);
    EXPECT_TRUE(contains(wrong, "race") || contains(wrong, "still copied") ||
                contains(wrong, "that no thread wrote"))
        << wrong;
  }
}

/// The stage is filled again while the thread across the block may still read it.
TEST(CuemuTest, AStageThatIsFilledEarlyIsFound) {
  Pipeline own;
  const std::string again = copy("to0", "from0") + Commit;
  EXPECT_EQ(own.run(pipeline(waitFor(1) + Barrier, waitFor(0) + Barrier, Barrier + again)), "");
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    std::string wrong = own.run(pipeline(waitFor(1) + Barrier, waitFor(0) + Barrier, again), seed);
    EXPECT_TRUE(contains(wrong, "race") || contains(wrong, "still copied")) << wrong;
  }
}

TEST(CuemuTest, CopiesThatNobodyWaitsForAreFound) {
  Pipeline own;
  std::string wrong = own.run(pipeline(waitFor(1) + Barrier, waitFor(0) + Barrier,
                                       Barrier + copy("to0", "from0") + Commit + waitFor(1)));
  EXPECT_EQ(wrong, "");
  std::string body = pipeline(waitFor(0) + Barrier, "");
  body.insert(body.find("ret void"), Barrier + copy("to0", "from0"));
  EXPECT_TRUE(contains(own.run(body), "ends ahead of its copies"));
}

/// What is wide must lie at multiples of its size, unless the code says otherwise.
TEST(CuemuTest, AnAccessOfAnOddPlaceIsFound) {
  auto wide = [](const std::string &offset, const std::string &alignment) {
    return "define ptx_kernel void @kernel(ptr %memory) {\n%place = getelementptr i8, ptr %memory, "
           "i32 " +
           offset + "\n%x = load <4 x i32>, ptr %place, align " + alignment + "\nret void\n}";
  };
  alignas(16) uint32_t memory[16] = {};
  EXPECT_EQ(run(wide("16", "16"), memory), "");
  EXPECT_EQ(run(wide("4", "4"), memory), "");
  std::string wrong = run(wide("4", "16"), memory);
  EXPECT_TRUE(contains(wrong, "reads at an address that is no multiple of 16")) << wrong;
}

TEST(CuemuTest, ACopyOfAnOddPlaceIsFound) {
  Pipeline own;
  std::string body = pipeline(waitFor(0) + Barrier, "");
  body.replace(body.find("i32 %place\n"), 10, "i32 1     ");
  EXPECT_TRUE(contains(own.run(body), "not from and to multiples")) << body;
}

TEST(CuemuTest, WhatHasNoMeaningIsRefused) {
  uint32_t nothing = 0;
  std::string wrong = run(R"(
declare i32 @llvm.nvvm.read.ptx.sreg.clock()
define ptx_kernel void @kernel(ptr %out) {
  %c = call i32 @llvm.nvvm.read.ptx.sreg.clock()
  ret void
})",
                          &nothing);
  EXPECT_TRUE(contains(wrong, "does not know llvm.nvvm.read.ptx.sreg.clock")) << wrong;
}

/// Every thread calls itself `depth` times, with a kilobyte of stack each time.
std::string recursion(int depth) {
  return R"(
define internal i32 @deep(i32 %n) noinline {
  %all = alloca [1000 x i8], align 16
  %room = getelementptr i8, ptr %all, i32 %n
  store volatile i8 1, ptr %room
  %end = icmp eq i32 %n, 0
  br i1 %end, label %stop, label %more
more:
  %less = sub i32 %n, 1
  %got = call i32 @deep(i32 %less)
  %byte = load volatile i8, ptr %room
  %one = zext i8 %byte to i32
  %sum = add i32 %got, %one
  ret i32 %sum
stop:
  ret i32 0
}
define ptx_kernel void @kernel(ptr %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %sum = call i32 @deep(i32 )" +
         std::to_string(depth) + R"()
  %place = getelementptr i32, ptr %out, i32 %t
  store i32 %sum, ptr %place
  ret void
})";
}

/// The stack of a thread is of 64 KiB; what is below belongs to another one.
TEST(CuemuTest, AStackThatIsUsedUpIsAFault) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::vector<uint32_t> out(Threads);
  EXPECT_EQ(run(recursion(50), out.data()), "");
  EXPECT_EQ(out, std::vector<uint32_t>(Threads, 50));
  EXPECT_DEATH(run(recursion(70), out.data()), "");
}

} // namespace
