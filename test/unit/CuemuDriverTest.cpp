//===- CuemuDriverTest.cpp - What the emulator's driver finds ---------------===//
//
// Faults of a runtime, each of which a GPU may or may not tell.  An error of a kernel
// stays for good, so those are tested in processes of their own.
//
//===----------------------------------------------------------------------===//

#include "runtime/device/CudaContext.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <cstring>
#include <numeric>

using namespace lathe;

namespace {

/// Stores 7 where the pointer at its argument points to.
constexpr const char *StoreKernel = R"(
target triple = "nvptx64-nvidia-cuda"
@lathe_shared = external addrspace(3) global [0 x i8], align 16
define ptx_kernel void @store(ptr %args) #0 {
  %to = load ptr, ptr %args
  store i32 7, ptr %to
  ret void
}
attributes #0 = { "nvvm.maxntid"="32" }
)";

class CuemuDriverTest : public testing::Test {
protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    setenv("LATHE_CUDA", CUEMU_PATH, 1);
    Context = CudaContext::open(0, Diags);
    ASSERT_TRUE(Context) << Diags.str();
    ASSERT_TRUE(Stream.create(Context, Diags)) << Diags.str();
    Context->functions().PushContext(current());
  }

  void TearDown() override {
    cuda::Handle Popped;
    Context->functions().PopContext(&Popped);
  }

  cuda::Handle current() {
    cuda::Handle Handle = nullptr;
    Context->functions().RetainContext(&Handle, 0);
    Context->functions().ReleaseContext(0);
    return Handle;
  }

  CudaMemory memory(uint64_t Bytes) {
    CudaMemory Fresh;
    EXPECT_TRUE(Fresh.allocate(Context, Bytes, "a test", Diags)) << Diags.str();
    return Fresh;
  }

  /// Launches the kernel with a pointer to `To`; the result of waiting for it.
  int store(uint64_t To, unsigned Blocks = 1, unsigned Threads = 1) {
    const CudaRunFunctions &Run = Context->functions();
    cuda::Handle Module = nullptr, Function = nullptr;
    EXPECT_EQ(Run.LoadModule(&Module, StoreKernel, 0, nullptr, nullptr), 0);
    EXPECT_EQ(Run.GetFunction(&Function, Module, "store"), 0);
    CudaMemory Block = memory(sizeof(To));
    uint64_t Argument = Block.address();
    void *Arguments[] = {&Argument};
    int Result = Run.CopyIn(Argument, &To, sizeof(To), Stream.handle());
    if (Result == 0)
      Result = Run.LaunchCooperative(Function, Blocks, 1, 1, Threads, 1, 1, 0, Stream.handle(),
                                     Arguments);
    if (Result == 0)
      Result = Run.Synchronize(Stream.handle());
    Run.UnloadModule(Module);
    return Result;
  }

  Diagnostics Diags;
  std::shared_ptr<const CudaContext> Context;
  CudaStream Stream;
};

TEST_F(CuemuDriverTest, BytesComeBackAsTheyWere) {
  std::vector<uint8_t> In(10000), Out(In.size());
  std::iota(In.begin(), In.end(), 0);
  CudaMemory Memory = memory(In.size());
  ASSERT_TRUE(Stream.copyIn(Memory.address(), In.data(), In.size(), Diags));
  ASSERT_TRUE(Stream.copyOut(Out.data(), Memory.address(), Out.size(), Diags)) << Diags.str();
  EXPECT_EQ(In, Out);
}

TEST_F(CuemuDriverTest, AKernelWritesMemoryOfTheDevice) {
  CudaMemory Memory = memory(4);
  EXPECT_EQ(store(Memory.address()), 0);
  int32_t Out = 0;
  ASSERT_TRUE(Stream.copyOut(&Out, Memory.address(), 4, Diags)) << Diags.str();
  EXPECT_EQ(Out, 7);
}

TEST_F(CuemuDriverTest, FreshMemoryIsNotZero) {
  CudaMemory Memory = memory(4);
  float Out = 0;
  ASSERT_TRUE(Stream.copyOut(&Out, Memory.address(), 4, Diags)) << Diags.str();
  EXPECT_NE(Out, Out);
}

/// A copy from pinned memory reads it when it must, and not before.
TEST_F(CuemuDriverTest, CopiesAreLate) {
  PinnedMemory Pinned;
  ASSERT_TRUE(Pinned.allocate(Context, 8, Diags)) << Diags.str();
  CudaMemory Memory = memory(1);
  Pinned.data()[0] = 1;
  ASSERT_TRUE(Stream.copyIn(Memory.address(), Pinned.data(), 1, Diags));
  Pinned.data()[0] = 2;
  ASSERT_TRUE(Stream.copyOut(Pinned.data() + 4, Memory.address(), 1, Diags));
  EXPECT_EQ(Pinned.data()[4], 0);
  ASSERT_TRUE(Stream.wait(Diags)) << Diags.str();
  EXPECT_EQ(Pinned.data()[4], 2);
}

TEST_F(CuemuDriverTest, WhatIsRecordedRunsOnlyWhenItIsLaunched) {
  const CudaRunFunctions &Run = Context->functions();
  PinnedMemory Pinned;
  ASSERT_TRUE(Pinned.allocate(Context, 8, Diags)) << Diags.str();
  CudaMemory Memory = memory(1);
  cuda::Handle Graph = nullptr, Executable = nullptr;
  ASSERT_EQ(Run.BeginCapture(Stream.handle(), cuda::CaptureThreadLocal), 0);
  ASSERT_TRUE(Stream.copyIn(Memory.address(), Pinned.data(), 1, Diags));
  ASSERT_TRUE(Stream.copyOut(Pinned.data() + 4, Memory.address(), 1, Diags));
  ASSERT_EQ(Run.EndCapture(Stream.handle(), &Graph), 0);
  ASSERT_EQ(Run.InstantiateGraph(&Executable, Graph, 0), 0);
  ASSERT_EQ(Run.DestroyGraph(Graph), 0);
  for (uint8_t Value : {5, 6}) {
    Pinned.data()[0] = Value;
    ASSERT_TRUE(Stream.wait(Diags));
    EXPECT_NE(Pinned.data()[4], Value);
    ASSERT_EQ(Run.LaunchGraph(Executable, Stream.handle()), 0);
    ASSERT_TRUE(Stream.wait(Diags)) << Diags.str();
    EXPECT_EQ(Pinned.data()[4], Value);
  }
  EXPECT_EQ(Run.DestroyExecutable(Executable), 0);
}

/// Waiting for an event does what stands ahead of it, and no more.
TEST_F(CuemuDriverTest, WhatStandsBehindAnEventIsNotDone) {
  PinnedMemory Pinned;
  ASSERT_TRUE(Pinned.allocate(Context, 8, Diags)) << Diags.str();
  CudaMemory Memory = memory(1);
  CudaEvent Event;
  ASSERT_TRUE(Event.create(Context, Diags)) << Diags.str();
  Pinned.data()[0] = 3;
  ASSERT_TRUE(Stream.copyIn(Memory.address(), Pinned.data(), 1, Diags));
  ASSERT_TRUE(Stream.copyOut(Pinned.data() + 4, Memory.address(), 1, Diags));
  ASSERT_TRUE(Event.record(Stream, Diags));
  ASSERT_TRUE(Stream.copyOut(Pinned.data() + 5, Memory.address(), 1, Diags));
  EXPECT_EQ(Pinned.data()[4], 0);
  ASSERT_TRUE(Event.wait(Diags)) << Diags.str();
  EXPECT_EQ(Pinned.data()[4], 3);
  EXPECT_EQ(Pinned.data()[5], 0);
  ASSERT_TRUE(Event.wait(Diags)) << Diags.str();
  EXPECT_EQ(Pinned.data()[5], 0);
  ASSERT_TRUE(Stream.wait(Diags)) << Diags.str();
  EXPECT_EQ(Pinned.data()[5], 3);
}

TEST_F(CuemuDriverTest, PlacesOfTheHostAndTheDeviceAreToldApart) {
  int32_t Own = 0;
  CudaMemory Memory = memory(4);
  testing::internal::CaptureStderr();
  EXPECT_FALSE(Stream.copyIn(reinterpret_cast<uint64_t>(&Own), &Own, 4, Diags));
  EXPECT_FALSE(
      Stream.copyIn(Memory.address(), reinterpret_cast<void *>(Memory.address()), 4, Diags));
  EXPECT_FALSE(
      Stream.copyOut(reinterpret_cast<void *>(Memory.address()), Memory.address(), 4, Diags));
  EXPECT_FALSE(Stream.copyIn(Memory.address() + 1, &Own, 4, Diags));
  std::string Told = testing::internal::GetCapturedStderr();
  EXPECT_NE(Told.find("copy to the device of 4 bytes: the address is not one of the device"),
            std::string::npos)
      << Told;
  EXPECT_NE(Told.find("copy to the device of 4 bytes: the address is one of the device, not of"),
            std::string::npos)
      << Told;
  EXPECT_NE(Told.find("copy from the device of 4 bytes: the address is one of the device, not of"),
            std::string::npos)
      << Told;
  EXPECT_NE(Told.find("they are not all memory of the device that is there"), std::string::npos)
      << Told;
}

TEST_F(CuemuDriverTest, WhatIsFreedIsGone) {
  CudaMemory Memory = memory(4);
  uint64_t Place = Memory.address();
  Memory = {};
  int32_t Own = 0;
  testing::internal::CaptureStderr();
  EXPECT_FALSE(Stream.copyOut(&Own, Place, 4, Diags));
  EXPECT_EQ(Context->functions().Free(Place), 1);
  std::string Told = testing::internal::GetCapturedStderr();
  EXPECT_NE(Told.find("not all memory of the device that is there"), std::string::npos) << Told;
  EXPECT_NE(Told.find("cuMemFree: no memory of the device begins at"), std::string::npos) << Told;
  // No other block comes to its place.
  EXPECT_NE(memory(4).address(), Place);
}

TEST_F(CuemuDriverTest, AKernelThatWritesMemoryOfTheHostFails) {
  constexpr int IllegalAddress = 700;
  EXPECT_EXIT(
      {
        static int32_t Own = 0;
        std::exit(store(reinterpret_cast<uint64_t>(&Own)) == IllegalAddress && Own == 0 ? 5 : 1);
      },
      testing::ExitedWithCode(5), "cuemu: store: thread 0 of block 0 writes 4 bytes that are not");
}

TEST_F(CuemuDriverTest, AKernelThatWritesWhatWasFreedFails) {
  constexpr int IllegalAddress = 700;
  EXPECT_EXIT(
      {
        uint64_t Place = memory(4).address();
        std::exit(store(Place) == IllegalAddress ? 5 : 1);
      },
      testing::ExitedWithCode(5), "writes 4 bytes that are not memory of the device");
}

TEST_F(CuemuDriverTest, AnErrorOfAKernelStays) {
  EXPECT_EXIT(
      {
        CudaMemory Memory = memory(4);
        store(Memory.address() + 2);
        std::exit(Stream.wait(Diags) || Diags.all().front().Number != 856 ? 1 : 5);
      },
      testing::ExitedWithCode(5), "writes 4 bytes");
}

TEST_F(CuemuDriverTest, TheHostCannotTouchTheDevice) {
  CudaMemory Memory = memory(4);
  EXPECT_DEATH(*reinterpret_cast<volatile int32_t *>(Memory.address()) = 1,
               "cuemu: something touched memory of the device");
}

TEST_F(CuemuDriverTest, ALaunchHasItsLimits) {
  CudaMemory Memory = memory(4);
  constexpr int InvalidValue = 1, TooLarge = 720;
  EXPECT_EQ(store(Memory.address(), 1, 33), InvalidValue);
  EXPECT_EQ(store(Memory.address(), 3, 1), TooLarge);
}

TEST_F(CuemuDriverTest, WhatIsLeftIsTold) {
  EXPECT_EXIT(
      {
        uint64_t Lost = 0;
        Context->functions().Allocate(&Lost, 100);
        TearDown();
        Stream.~CudaStream();
        Context.reset();
        std::_Exit(5);
      },
      testing::ExitedWithCode(5), "cuemu: 1 blocks of the device's memory were not freed");
}

TEST_F(CuemuDriverTest, ThereIsAnEndOfMemory) {
  CudaMemory Memory;
  EXPECT_FALSE(Memory.allocate(Context, uint64_t(9) << 30, "a test", Diags));
  ASSERT_EQ(Diags.errorCount(), 1u);
  EXPECT_EQ(Diags.all().front().Number, 855u);
  EXPECT_NE(Diags.str().find("needs 9.0 GiB for a test, free 8.0 GiB of 8.0 GiB"),
            std::string::npos)
      << Diags.str();
}

} // namespace
