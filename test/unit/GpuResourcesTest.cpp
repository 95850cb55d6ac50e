//===- GpuResourcesTest.cpp - What kernels take of a processor --------------===//

#include "compiler/target/nvptx/Assembler.h"
#include "compiler/target/nvptx/Occupancy.h"

#include "gtest/gtest.h"

using namespace lathe::compiler;

namespace {

Occupancy on(const char *chip, int64_t threads, int64_t registers, int64_t sharedBytes) {
  return computeOccupancy(findGpuKind(chip)->limits, threads, registers, sharedBytes);
}

/// As NVIDIA's occupancy calculator (CUDA toolkit) finds for the same numbers.
TEST(GpuResourcesTest, BlocksAreThoseOfTheCalculator) {
  EXPECT_EQ(on("sm_80", 256, 32, 0).blocks, 8);
  EXPECT_DOUBLE_EQ(on("sm_80", 256, 32, 0).share, 1.0);
  EXPECT_EQ(on("sm_80", 256, 32, 0).limit, "warps");
  EXPECT_EQ(on("sm_80", 256, 255, 0).blocks, 1);
  EXPECT_DOUBLE_EQ(on("sm_80", 256, 255, 0).share, 0.125);
  EXPECT_EQ(on("sm_80", 256, 255, 0).limit, "registers");
  // 49 KiB with what the system takes: three times in 164 KiB, twice in 100, four times in 228.
  EXPECT_EQ(on("sm_80", 256, 32, 48 << 10).blocks, 3);
  EXPECT_EQ(on("sm_89", 256, 32, 48 << 10).blocks, 2);
  EXPECT_EQ(on("sm_90a", 256, 32, 48 << 10).blocks, 4);
  EXPECT_EQ(on("sm_90a", 256, 32, 48 << 10).limit, "shared memory");
  EXPECT_EQ(on("sm_80", 32, 16, 0).blocks, 32);
  EXPECT_EQ(on("sm_80", 32, 16, 0).limit, "blocks");
  EXPECT_EQ(on("sm_89", 32, 16, 0).blocks, 24);
}

TEST(GpuResourcesTest, WhatDoesNotFitHasNoBlocks) {
  EXPECT_EQ(on("sm_89", 256, 32, 100 << 10).blocks, 0);
  EXPECT_EQ(on("sm_80", 1024, 128, 0).blocks, 0);
  EXPECT_EQ(findGpuKind("sm_79"), nullptr);
}

TEST(GpuResourcesTest, TheAssemblersLinesAreRead) {
  auto kernels =
      readResources("ptxas info    : 2116 bytes gmem, 24 bytes cmem[4]\n"
                    "ptxas info    : Compiling entry function 'one' for 'sm_80'\n"
                    "ptxas info    : Function properties for helper\n"
                    "    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\n"
                    "ptxas info    : Function properties for one\n"
                    "    16 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                    "ptxas info    : Used 201 registers, used 1 barriers, 24 bytes "
                    "cumulative stack size, 360 bytes cmem[0]\n"
                    "ptxas info    : Compiling entry function 'two' for 'sm_80'\n"
                    "ptxas info    : Function properties for two\n"
                    "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
                    "ptxas info    : Used 32 registers, 360 bytes cmem[0]\n");
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].name, "one");
  EXPECT_EQ(kernels[0].registers, 201);
  EXPECT_EQ(kernels[0].stackBytes, 24);
  EXPECT_EQ(kernels[0].spillStores, 4);
  EXPECT_EQ(kernels[0].spillLoads, 12);
  EXPECT_EQ(kernels[1].name, "two");
  EXPECT_EQ(kernels[1].registers, 32);
  EXPECT_EQ(kernels[1].stackBytes, 0);
  EXPECT_TRUE(readResources("ptxas fatal   : Unresolved extern function 'x'\n").empty());
}

} // namespace
