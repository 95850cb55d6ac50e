//===- GpuGreatestTest.cpp - The greatest logits that a GPU finds -----------===//
//
// A program without phases leaves logits as they are: its kernel finds the greatest of
// those that the test has written, on the emulator, with any number of blocks.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/Pipeline.h"
#include "compiler/target/DeviceTarget.h"

#include "lathe/device_abi.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/JSON.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

using namespace lathe;
using namespace lathe::compiler;
using namespace mlir;

namespace {

constexpr float Infinity = std::numeric_limits<float>::infinity();
constexpr float NotANumber = std::numeric_limits<float>::quiet_NaN();

class GpuGreatestTest : public testing::Test {
protected:
  GpuGreatestTest() {
    DialectRegistry Registry;
    registerLatheDialects(Registry);
    registerUpstreamDialects(Registry);
    Context.appendDialectRegistry(Registry);
    Context.loadAllAvailableDialects();
  }

  void compile(int64_t Vocabulary, int64_t Rows) {
    Width = Vocabulary;
    std::string Type =
        "!step.buffer<" + std::to_string(Rows) + "x" + std::to_string(Width) + "xf32>";
    std::string Text = "module attributes {lathe.stage = \"planned\"} {\n"
                       "step.program @only max_rows = " +
                       std::to_string(Rows) +
                       " arena = 64 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, "
                       "%logits: " +
                       Type + ") {\n}\n}\n";
    Module = parseSourceString<ModuleOp>(Text, &Context);
    ASSERT_TRUE(Module);
    PassManager Passes(&Context);
    const DeviceTarget *Target = findDeviceTarget("sm_80");
    Target->addKernels(Passes);
    ASSERT_TRUE(succeeded(Passes.run(*Module)));
    readManifest();
    auto Loaded = Target->load(*Module);
    ASSERT_TRUE(bool(Loaded)) << llvm::toString(Loaded.takeError());
    Kernels = std::move(*Loaded);
  }

  void readManifest() {
    auto Global = Module->lookupSymbol<LLVM::GlobalOp>("lathe_manifest");
    auto Root = llvm::json::parse(cast<StringAttr>(Global.getValueAttr()).getValue());
    ASSERT_TRUE(bool(Root));
    auto *Entry = Root->getAsObject()->getArray("entries")->front().getAsObject();
    ScratchBytes = *Entry->getInteger("scratch_bytes");
    Most = Entry->getInteger("greatest_logits").value_or(0);
  }

  std::vector<lathe_logit> find(const std::vector<float> &Logits, int64_t Wanted, int64_t Blocks) {
    int64_t Rows = static_cast<int64_t>(Logits.size()) / Width;
    std::vector<lathe_logit> Found(Rows * Wanted, {NotANumber, -1});
    // What a step finds in scratch memory may be anything.
    std::vector<uint64_t> Scratch(ScratchBytes / 8 + 8, ~uint64_t(0));
    lathe_step_args Args = {};
    Args.scratch = reinterpret_cast<uint8_t *>(Scratch.data());
    Args.rows = Args.logits_rows = Rows;
    Args.logits = const_cast<float *>(Logits.data());
    Args.wanted_logits = Wanted;
    Args.greatest = Found.data();
    llvm::Error Wrong = Kernels->run("only", Args, Blocks);
    EXPECT_FALSE(bool(Wrong)) << llvm::toString(std::move(Wrong));
    return Found;
  }

  /// Of each row the greatest first, what is no number or +infinity ahead of all, and of
  /// equal ones the lower token.
  void expectGreatest(const std::vector<float> &Logits, int64_t Wanted, int64_t Blocks) {
    std::vector<lathe_logit> Found = find(Logits, Wanted, Blocks);
    for (int64_t Row = 0; Row < static_cast<int64_t>(Logits.size()) / Width; ++Row) {
      const float *Own = Logits.data() + Row * Width;
      auto Rank = [&](int32_t Token) { return Own[Token] < Infinity ? Own[Token] : Infinity; };
      std::vector<int32_t> Tokens(Width);
      std::iota(Tokens.begin(), Tokens.end(), 0);
      std::ranges::sort(Tokens, [&](int32_t A, int32_t B) {
        return Rank(A) != Rank(B) ? Rank(A) > Rank(B) : A < B;
      });
      for (int64_t I = 0; I < Wanted; ++I) {
        const lathe_logit &Each = Found[Row * Wanted + I];
        EXPECT_EQ(Each.token, Tokens[I])
            << "row " << Row << ", place " << I << " of " << Wanted << ", " << Blocks << " blocks";
        float Expected = Own[Tokens[I]];
        EXPECT_EQ(std::memcmp(&Each.logit, &Expected, sizeof(float)), 0) << Each.logit;
      }
    }
  }

  void expectAll(const std::vector<float> &Logits) {
    for (int64_t Wanted : {int64_t(1), int64_t(2), int64_t(40), Most})
      for (int64_t Blocks : {1, 3})
        expectGreatest(Logits, Wanted, Blocks);
  }

  MLIRContext Context;
  OwningOpRef<ModuleOp> Module;
  std::unique_ptr<DeviceKernels> Kernels;
  int64_t Width = 0, ScratchBytes = 0, Most = 0;
};

std::vector<float> randomLogits(int64_t Count, uint32_t Seed) {
  std::mt19937 Random(Seed);
  std::vector<float> Logits(Count);
  for (float &Each : Logits)
    Each = std::ldexp(static_cast<float>(Random()), -28) - 8;
  return Logits;
}

TEST_F(GpuGreatestTest, OfOneRow) {
  compile(1000, 1);
  EXPECT_EQ(Most, 64);
  expectAll(randomLogits(Width, 1));
}

TEST_F(GpuGreatestTest, OfSeveralRows) {
  compile(700, 8);
  expectAll(randomLogits(3 * Width, 2));
  expectAll(randomLogits(8 * Width, 3));
}

/// In order, a few threads have all of them, and then a few parts.
TEST_F(GpuGreatestTest, Sorted) {
  compile(1000, 1);
  std::vector<float> Logits(Width);
  std::iota(Logits.begin(), Logits.end(), -500.0f);
  expectAll(Logits);
  std::ranges::reverse(Logits);
  expectAll(Logits);
}

TEST_F(GpuGreatestTest, EqualOnesStandByToken) {
  compile(1000, 1);
  expectAll(std::vector<float>(Width, -2.5f));
  std::vector<float> Logits = randomLogits(Width, 4);
  for (float &Each : Logits)
    Each = std::round(Each / 4);
  // Both zeros are among them, and are equal.
  for (int64_t I = 0; I < Width; I += 3)
    Logits[I] = Logits[I] == 0 ? -0.0f : Logits[I];
  expectAll(Logits);
}

TEST_F(GpuGreatestTest, WhatNoSamplerTakesIsAhead) {
  compile(1000, 1);
  std::vector<float> Logits = randomLogits(Width, 5);
  Logits[700] = NotANumber, Logits[300] = Infinity, Logits[900] = -NotANumber;
  Logits[10] = -Infinity;
  expectAll(Logits);
  expectAll(std::vector<float>(Width, -Infinity));
}

/// Tokens that are few, no multiple of anything, and so many that a thread has several.
TEST_F(GpuGreatestTest, OfAnyVocabulary) {
  for (int64_t Vocabulary : {1, 31, 257, 66000}) {
    compile(Vocabulary, 1);
    EXPECT_EQ(Most, std::min<int64_t>(Vocabulary, 64));
    std::vector<float> Logits = randomLogits(Width, 6);
    for (int64_t Wanted : {int64_t(1), Most})
      expectGreatest(Logits, Wanted, 2);
  }
}

TEST_F(GpuGreatestTest, NoneAreFoundOfManyRowsOrTokens) {
  compile(1000, 9);
  EXPECT_EQ(Most, 0);
  compile(64 * 65536 + 1, 1);
  EXPECT_EQ(Most, 0);
}

/// More than the manifest says means all: then nothing is written, as of no rows.
TEST_F(GpuGreatestTest, NothingIsWrittenThatIsNotAskedFor) {
  compile(300, 1);
  EXPECT_EQ(find(randomLogits(Width, 7), Most + 1, 2).front().token, -1);
  EXPECT_TRUE(find({}, 1, 2).empty());
}

} // namespace
