//===- MemoryNeedTest.cpp - Whether a model fits --------------------------===//

#include "runtime/session/MemoryNeed.h"

#include "GGUFBuilder.h"

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
  EXPECT_EQ(estimate(Builder).KV, 1024u * 2 * (10 + 6) * 2);
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

} // namespace
