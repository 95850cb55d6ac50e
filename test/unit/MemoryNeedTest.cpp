//===- MemoryNeedTest.cpp - Whether a model fits --------------------------===//

#include "runtime/session/MemoryNeed.h"

#include "GGUFBuilder.h"
#include "fake/TemporaryFolder.h"
#include "runtime/session/SystemMemory.h"

#include <limits>

#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::test;

namespace {

constexpr uint64_t MiB = uint64_t(1) << 20, None = std::numeric_limits<uint64_t>::max();

Manifest program() {
  Manifest Code;
  Code.Model.Context = 300;
  Code.KVBytesPerPosition = 1024;
  Code.Entries = {{"decode", 1, 64, 4096}, {"prefill", 4, 256, 100}};
  ManifestWeight Weight;
  Weight.Format = findBlockFormat("f32");
  Weight.Shape = {33, 10};
  Weight.Layered = true;
  Weight.Layers = {0, 2};
  Code.Weights = {Weight};
  return Code;
}

TEST(MemoryNeed, ComesFromTheManifest) {
  MemoryNeed Need = memoryNeed(program(), 0, 3);
  EXPECT_EQ(Need.Context, 512u);
  EXPECT_EQ(Need.KV, 3u * 512 * 1024);
  EXPECT_EQ(Need.Weights, 2u * 2 * 32 * 10 * 4);
  EXPECT_EQ(Need.Arena, 256u);
  EXPECT_EQ(Need.ScratchPerWorker, 4096u);
  EXPECT_EQ(memoryNeed(program(), None, None).KV, None);
}

MemoryNeed estimate(const GGUFBuilder &Builder) {
  Diagnostics Diags;
  std::vector<uint8_t> Bytes = Builder.build();
  auto File = GGUFFile::parse(Bytes, "model", Diags);
  EXPECT_TRUE(File) << Diags.str();
  return File ? estimateMemoryNeed(*File, 1000, 2) : MemoryNeed();
}

TEST(MemoryNeed, EstimateCountsWhatTheFileTells) {
  GGUFBuilder Builder;
  Builder.text("general.architecture", "a").tensor({"w", {16}, 0, 64});
  // What the importer will refuse counts as nothing.
  Builder.value<uint32_t>("a.block_count", GGUFValueType::U32, 1'000'000);
  MemoryNeed Need = estimate(Builder);
  EXPECT_EQ(Need.Weights, 64u);
  EXPECT_EQ(Need.Context, 1024u);
  EXPECT_EQ(Need.KV, 0u);
  Builder.tensor({"blk.0.attn_k.weight", {2, 10}, 0, 80});
  Builder.tensor({"blk.0.attn_v.weight", {2, 6}, 0, 48});
  // At the least, in an int8 cache.
  EXPECT_EQ(estimate(Builder).KV, 1024u * 2 * (10 + 6));
}

TEST(MemoryNeed, LimitsAreTold) {
  MemoryNeed Need = {256, 1, 10 * MiB, 100 * MiB, MiB, MiB};
  Diagnostics Diags;
  EXPECT_TRUE(checkMemory(Need, 2, true, {None, None}, Diags));
  EXPECT_TRUE(checkMemory(Need, 2, true, {113 * MiB, 113 * MiB}, Diags));
  EXPECT_TRUE(checkMemory(Need, 2, false, {113 * MiB, 13 * MiB}, Diags));
  EXPECT_TRUE(Diags.all().empty());
  EXPECT_FALSE(checkMemory(Need, 2, false, {112 * MiB, None}, Diags));
  EXPECT_FALSE(checkMemory(Need, 2, false, {None, 12 * MiB}, Diags));
  EXPECT_FALSE(checkMemory(Need, 2, true, {None, 112 * MiB}, Diags));
  EXPECT_FALSE(checkCompilerMemory(MiB, {512 * MiB, None}, Diags));
  EXPECT_EQ(Diags.errorCount(), 4u);
  EXPECT_EQ(Diags.exitCode(), ExitCode::Resources);
  EXPECT_NE(Diags.str().find("needs 113.0 MiB (weights 10.0 MiB, KV cache of 256 positions 100.0 "
                             "MiB, arena 3.0 MiB), limit 112.0 MiB"),
            std::string::npos)
      << Diags.str();
}

/// A root folder with the files that the kernel shows.
class SystemMemoryTest : public testing::Test {
protected:
  void put(const std::string &Path, const std::string &Content) {
    std::filesystem::path Full = Folder.path() + Path;
    std::filesystem::create_directories(Full.parent_path());
    writeFile(Full, Content);
  }
  AvailableMemory available() { return availableMemory(Folder.path()); }

  TemporaryFolder Folder;
};

TEST_F(SystemMemoryTest, IsUnknownWithoutFiles) { EXPECT_EQ(available().Bytes, None); }

TEST_F(SystemMemoryTest, ComesFromMeminfo) {
  put("/proc/meminfo", "MemTotal:  9000 kB\nMemAvailableX: 1 kB\nMemAvailable:    2048 kB\n");
  EXPECT_EQ(available().Bytes, 2 * MiB);
  EXPECT_EQ(available().Source, "what the system has available");
  // A group without a limit, one above the rest, and a line that is none.
  put("/proc/self/cgroup", "nonsense\n0::/a\n");
  put("/sys/fs/cgroup/a/memory.max", "max\n");
  put("/sys/fs/cgroup/a/memory.current", "1000\n");
  EXPECT_EQ(available().Bytes, 2 * MiB);
  put("/sys/fs/cgroup/a/memory.max", "99999999\n");
  EXPECT_EQ(available().Bytes, 2 * MiB);
}

TEST_F(SystemMemoryTest, Version2CountsAllGroupsAbove) {
  put("/proc/meminfo", "MemAvailable: 2000000 kB\n");
  put("/proc/self/cgroup", "0::/user.slice/app\n");
  put("/sys/fs/cgroup/user.slice/memory.max", "10000000\n");
  put("/sys/fs/cgroup/user.slice/memory.current", "4000000\n");
  put("/sys/fs/cgroup/user.slice/memory.stat", "anon 1\ninactive_file 1000000\nactive_file 7\n");
  put("/sys/fs/cgroup/user.slice/app/memory.max", "8000000\n");
  put("/sys/fs/cgroup/user.slice/app/memory.current", "500000\n");
  EXPECT_EQ(available().Bytes, 7'000'000u);
  EXPECT_EQ(available().Source, "what the control group '/user.slice' leaves");
  put("/sys/fs/cgroup/user.slice/app/memory.current", "9000000\n");
  EXPECT_EQ(available().Bytes, 0u);
}

TEST_F(SystemMemoryTest, ContainersSeeTheirRootOnly) {
  put("/proc/self/cgroup", "0::/\n");
  put("/sys/fs/cgroup/memory.max", "3000\n");
  put("/sys/fs/cgroup/memory.current", "1000\n");
  EXPECT_EQ(available().Bytes, 2000u);
  EXPECT_EQ(available().Source, "what the control group '/' leaves");
}

TEST_F(SystemMemoryTest, Version1HasAHierarchyForMemory) {
  put("/proc/meminfo", "MemAvailable: 2000000 kB\n");
  put("/proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/docker/0123\n0::/\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "6000000\n");
  put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "2000000\n");
  put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 500000\n");
  EXPECT_EQ(available().Bytes, 4'500'000u);
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(available().Bytes, 2'000'000u * 1024);
}

TEST(MemoryNeed, NamesWhoLimitsIt) {
  Diagnostics Diags;
  EXPECT_FALSE(
      checkMemory({256, 1, 10 * MiB, 0, 0, 0}, 1, false, {None, MiB, "what it leaves"}, Diags));
  EXPECT_NE(Diags.str().find("limit 1.0 MiB (what it leaves)"), std::string::npos) << Diags.str();
}

} // namespace
