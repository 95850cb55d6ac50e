//===- CuemuTest.cpp - What the GPU emulator finds --------------------------===//
//
// Small kernels in LLVM IR: right ones, and each with one thing left out.
//
//===----------------------------------------------------------------------===//

#include "compiler/cuemu/Emulator.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/Support/SourceMgr.h"

#include "gtest/gtest.h"

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
declare i32 @llvm.nvvm.idp4a.u.s(i32, i32, i32)
)";

const std::string Barrier = "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)\n";

/// Runs @kernel; what went wrong, or "".
std::string run(const std::string &body, void *argument, uint32_t blocks = 1, uint64_t seed = 1) {
  auto context = std::make_unique<llvm::LLVMContext>();
  llvm::SMDiagnostic wrong;
  std::unique_ptr<llvm::Module> module =
      llvm::parseAssemblyString(Declarations + body, wrong, *context);
  if (!module)
    return "not LLVM IR: " + wrong.getMessage().str();
  auto emulator = Emulator::create(std::move(module), std::move(context), "shared", true);
  if (!emulator)
    return llvm::toString(emulator.takeError());
  llvm::Error error = (*emulator)->run("kernel", {blocks, Threads, 1024, seed}, argument);
  return error ? llvm::toString(std::move(error)) : "";
}

bool contains(const std::string &text, const char *part) {
  return text.find(part) != std::string::npos;
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

TEST(CuemuTest, ShufflesAndByteProductsGiveTheirNumbers) {
  std::vector<uint32_t> out(Threads);
  EXPECT_EQ(run(R"(
define ptx_kernel void @kernel(ptr %out) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %s = call i32 @llvm.nvvm.shfl.sync.bfly.i32(i32 -1, i32 %t, i32 5, i32 31)
  %d = call i32 @llvm.nvvm.idp4a.u.s(i32 -1, i32 -256, i32 %s)
  %place = getelementptr i32, ptr %out, i32 %t
  store i32 %d, ptr %place
  ret void
})",
                out.data()),
            "");
  // 255 * (0 - 1 - 1 - 1), and the number of the lane.
  for (uint32_t i = 0; i < Threads; ++i)
    EXPECT_EQ(static_cast<int32_t>(out[i]), 255 * -3 + static_cast<int32_t>(i ^ 5));
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
  %room = alloca [1000 x i8], align 16
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
