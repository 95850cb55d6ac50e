//===- HeadTest.cpp - Screened heads against all of their logits -----------===//
//
// A program of an embedding and a head is compiled and asked for the greatest
// logits of rows.  They must be there, bit by bit as docs/layouts.md defines them,
// and all others too or be -infinity, with any number of workers.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/KernelRunner.h"
#include "compiler/driver/Pipeline.h"
#include "runtime/session/HostCPU.h"
#include "runtime/support/Half.h"
#include "runtime/support/Unaligned.h"
#include "runtime/weights/Packer.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/Alignment.h"

#include "gtest/gtest.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

using namespace lathe;
using namespace lathe::compiler;
using namespace mlir;

namespace {

constexpr int64_t Outputs = 1000, Width = 128, Blocks = Width / 32, Rows = 4;
constexpr float Infinity = std::numeric_limits<float>::infinity();

constexpr const char *ModuleText = R"(
module attributes {lathe.stage = "planned"} {
  lathe.weights @t : tensor<4x128xf32> from "t"
  lathe.weights @w : tensor<1000x128x!lathe.$W> from "w"
  $PROGRAMS
}
)";

constexpr const char *ProgramText = R"(
  step.program @$E max_rows = $R arena = 4096 (%rows: !lathe.rows,
      %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<$Rx1000xf32>) {
    %x = step.alloc at 0 : !step.buffer<$Rx128xf32>
    step.phase "embed" over rows {
      %table = lathe.weight @t : tensor<4x128xf32>
      %0 = lathe.embed %rows, %table : tensor<4x128xf32> -> tensor<?x128xf32>
      step.store %0, %x : tensor<?x128xf32>, !step.buffer<$Rx128xf32>
    }
    step.barrier
    step.phase "head" over columns logits_rows {
      %0 = step.load %x : !step.buffer<$Rx128xf32> -> tensor<?x128xf32>
      %w = lathe.weight @w : tensor<1000x128x!lathe.$W>
      %q = lathe.quantize %0 : tensor<?x128xf32> -> tensor<?x128x!lathe.q8_act>
      %1 = lathe.head_topk %q, %w : tensor<?x128x!lathe.q8_act>, tensor<1000x128x!lathe.$W> -> tensor<?x1000xf32>
      step.store %1, %logits : tensor<?x1000xf32>, !step.buffer<$Rx1000xf32>
    }
  }
)";

std::string replaced(std::string Text, std::string_view What, std::string_view By) {
  for (size_t At; (At = Text.find(What)) != std::string::npos;)
    Text.replace(At, What.size(), By);
  return Text;
}

/// Programs of one row and of eight.
std::string moduleText(const char *Weight) {
  std::string Programs;
  for (auto [Name, Count] : {std::pair("decode", "1"), std::pair("verify", "8")})
    Programs += replaced(replaced(ProgramText, "$E", Name), "$R", Count);
  return replaced(replaced(ModuleText, "$PROGRAMS", Programs), "$W", Weight);
}

struct Head {
  std::vector<float> X = std::vector<float>(Rows * Width);
  std::vector<int8_t> Quants = std::vector<int8_t>(Outputs * Width);
  std::vector<uint16_t> Scales = std::vector<uint16_t>(Outputs * Blocks, 0x2000); // 2^-7
};

/// Rows that say little, whatever the state.
Head makeQuiet(uint32_t Seed) {
  Head Made;
  std::mt19937 Random(Seed);
  for (float &X : Made.X)
    X = std::ldexp(static_cast<float>(Random()), -32) * 2 - 1;
  for (int8_t &Q : Made.Quants)
    Q = static_cast<int8_t>(Random() % 31) - 15;
  return Made;
}

/// Row `N` agrees with state `Row`, `Strength` (0 to 127) times as much.
void plant(Head &To, int64_t N, int64_t Row, int Strength) {
  for (int64_t K = 0; K < Width; ++K)
    To.Quants[N * Width + K] =
        static_cast<int8_t>(std::lround(To.X[Row * Width + K] * static_cast<float>(Strength)));
}

/// The logit, from the steps that docs/layouts.md promises.
float logitOf(const Head &From, int64_t Row, int64_t N) {
  float Sum = 0;
  for (int64_t Block = 0; Block < Blocks; ++Block) {
    const float *X = From.X.data() + Row * Width + 32 * Block;
    float Greatest = 0;
    for (int64_t K = 0; K < 32; ++K)
      Greatest = std::max(Greatest, std::abs(X[K]));
    float Inverse = Greatest == 0 ? 0 : 127.0f / Greatest;
    int64_t Integer = 0;
    for (int64_t K = 0; K < 32; ++K)
      Integer += std::lrintf(X[K] * Inverse) * From.Quants[N * Width + 32 * Block + K];
    float Scale = halfToFloat(From.Scales[N * Blocks + Block]) * (Greatest / 127.0f);
    Sum = std::fmaf(Scale, static_cast<float>(Integer), Sum);
  }
  return Sum;
}

/// Bytes at a multiple of 64.
struct Aligned {
  explicit Aligned(int64_t Size)
      : Bytes(Size + 64),
        Start(reinterpret_cast<uint8_t *>(llvm::alignAddr(Bytes.data(), llvm::Align(64)))) {}
  std::vector<uint8_t> Bytes;
  uint8_t *Start;
};

/// What a step gave.
struct Outcome {
  std::vector<float> Logits;
  int64_t Computed = 0, Whole = 0; ///< Of the report, all workers together.
  std::vector<int64_t> Bits;       ///< Of each worker's report.
};

class HeadTest : public testing::TestWithParam<std::tuple<const char *, const char *>> {
protected:
  HeadTest() {
    DialectRegistry Registry;
    registerLatheDialects(Registry);
    Context.appendDialectRegistry(Registry);
    Context.loadAllAvailableDialects();
  }

  void SetUp() override {
    if (!hostHasFeature("avx2") || !hostHasFeature("fma"))
      GTEST_SKIP() << "needs a CPU with AVX2";
    Module = parseSourceString<ModuleOp>(moduleText(std::get<0>(GetParam())), &Context);
    ASSERT_TRUE(Module);
    Facts.emplace(*Module);
    PassManager Passes(&Context);
    PipelineOptions Options;
    Options.target = std::get<1>(GetParam());
    addStage(Passes, findStage("kernels"), Options);
    ASSERT_TRUE(succeeded(Passes.run(*Module)));
    Runner = KernelRunner::create(*Module, *Facts);
    ASSERT_TRUE(Runner);
  }

  Aligned pack(const Head &From) {
    const BlockFormat &Format = *findBlockFormat(std::get<0>(GetParam()));
    std::vector<uint8_t> Source;
    for (int64_t Block = 0; Block < Outputs * Blocks; ++Block) {
      uint8_t Scale[2];
      store<uint16_t>(Scale, From.Scales[Block]);
      Source.insert(Source.end(), Scale, Scale + 2);
      for (int64_t K = 0; K < 32; ++K)
        Source.push_back(static_cast<uint8_t>(From.Quants[32 * Block + K]));
    }
    Aligned Result(packedMatrixBytes(Format, Outputs, Width));
    packMatrix(Format, Source.data(), Outputs, Width, 0, panelCount(Outputs), Result.Start);
    return Result;
  }

  Outcome run(const Head &From, int64_t Row, int64_t Wanted, unsigned Workers) {
    return runRows(From, {static_cast<int32_t>(Row)}, Wanted, Workers, "decode");
  }

  /// A step of several rows; their logits follow each other.
  Outcome runRows(const Head &From, const std::vector<int32_t> &States, int64_t Wanted,
                  unsigned Workers, const char *Entry = "verify") {
    Aligned Table(packedMatrixBytes(*findBlockFormat("f32"), Rows, Width)), Packed = pack(From);
    packMatrix(*findBlockFormat("f32"), reinterpret_cast<const uint8_t *>(From.X.data()), Rows,
               Width, 0, 1, Table.Start);
    const uint8_t *Pointers[] = {Table.Start, Packed.Start};
    KernelStep Step;
    Step.entry = Entry;
    Step.tokens = States;
    Step.wantedLogits = Wanted;
    for (size_t I = 0; I < States.size(); ++I) {
      Step.positions.push_back(static_cast<int32_t>(I));
      Step.sequences.push_back(0);
      Step.logitsRows.push_back(static_cast<int32_t>(I));
    }
    auto Results = Runner->run(UnknownLoc::get(&Context), Step, Pointers, Workers);
    EXPECT_TRUE(succeeded(Results));
    Outcome Found;
    Found.Logits = std::get<std::vector<float>>((*Results)[0].elements);
    for (const KernelRunner::HeadReport &Each : Runner->headReports()) {
      Found.Computed += Each.rows;
      Found.Whole += std::popcount(static_cast<uint64_t>(Each.whole));
      Found.Bits.push_back(Each.whole);
    }
    return Found;
  }

  /// The logits of one row of a step.
  static Outcome rowOf(const Outcome &Step, size_t Row) {
    auto First = Step.Logits.begin() + static_cast<int64_t>(Row) * Outputs;
    return {{First, First + Outputs}, 0, 0, {}};
  }

  /// Every logit is the promised one or left out, and no wanted one is.
  void check(const Head &From, const Outcome &Found, int64_t Row, int64_t Wanted) {
    std::vector<float> Expected;
    for (int64_t N = 0; N < Outputs; ++N)
      Expected.push_back(logitOf(From, Row, N));
    std::vector<float> Sorted = Expected;
    std::sort(Sorted.begin(), Sorted.end(), std::greater<>());
    float Least = Wanted ? Sorted[Wanted - 1] : -Infinity;
    ASSERT_EQ(Found.Logits.size(), static_cast<size_t>(Outputs));
    for (int64_t N = 0; N < Outputs; ++N)
      if (Found.Logits[N] != Expected[N]) {
        ASSERT_EQ(Found.Logits[N], -Infinity) << "row " << N << " is " << Expected[N];
        ASSERT_LT(Expected[N], Least) << "row " << N << " of the " << Wanted << " greatest";
      }
  }

  static int64_t leftOut(const Outcome &Found) {
    return std::ranges::count(Found.Logits, -Infinity);
  }

  MLIRContext Context;
  OwningOpRef<ModuleOp> Module;
  std::optional<KernelFacts> Facts;
  std::unique_ptr<KernelRunner> Runner;
};

/// Wanted rows stand out; with the same rows on any number of workers, hardly one else is
/// computed.
TEST_P(HeadTest, FindsTheGreatest) {
  Head From = makeQuiet(3);
  for (int64_t I = 0; I < 70; ++I)
    plant(From, (I * 389) % Outputs, 1, static_cast<int>(50 + I));
  for (int64_t Wanted : {1, 5, 40, 64})
    for (unsigned Workers : {1, 2, 3, 7}) {
      Outcome Found = run(From, 1, Wanted, Workers);
      check(From, Found, 1, Wanted);
      EXPECT_EQ(Found.Whole, 0) << Wanted << " wanted, " << Workers << " workers";
      EXPECT_GE(leftOut(Found), Outputs - Found.Computed);
      EXPECT_LT(Found.Computed, 7 * 96 + 100);
      EXPECT_GT(leftOut(Found), 200);
    }
}

/// Nobody stands out: the bounds of rows that say nothing rule little out, or all.
TEST_P(HeadTest, IsExactWhereNothingStandsOut) {
  for (uint32_t Seed = 10; Seed < 14; ++Seed) {
    Head From = makeQuiet(Seed);
    std::mt19937 Random(Seed);
    for (int8_t &Q : From.Quants)
      Q = static_cast<int8_t>(Random());
    for (int64_t Wanted : {1, 17, 64})
      for (int64_t Row = 0; Row < Rows; ++Row)
        check(From, run(From, Row, Wanted, 2), Row, Wanted);
  }
}

/// All rows are the same, so all survive: the head is computed whole.
TEST_P(HeadTest, ComputesAllOfEqualRows) {
  Head From = makeQuiet(5);
  for (int64_t N = 0; N < Outputs; ++N)
    plant(From, N, 0, 90);
  for (unsigned Workers : {1, 3}) {
    Outcome Found = run(From, 0, 1, Workers);
    check(From, Found, 0, Outputs);
    EXPECT_EQ(leftOut(Found), 0);
    EXPECT_EQ(Found.Whole, Workers);
  }
}

/// Rows that are as great as the last wanted one are there too, so that the one with the
/// lowest number can be told.
TEST_P(HeadTest, KeepsTies) {
  Head From = makeQuiet(6);
  for (int64_t N : {999, 3, 640, 32})
    plant(From, N, 2, 100);
  for (unsigned Workers : {1, 2, 4}) {
    Outcome Found = run(From, 2, 1, Workers);
    check(From, Found, 2, 1);
    for (int64_t N : {3, 32, 640, 999})
      EXPECT_EQ(Found.Logits[N], logitOf(From, 2, 3)) << N;
  }
}

/// Rows of the last panel that are not there must not win where all logits are negative.
TEST_P(HeadTest, FindsTheGreatestOfNegativeLogits) {
  Head From = makeQuiet(7);
  for (int64_t N = 0; N < Outputs; ++N)
    plant(From, N, 3, N == 77 ? -20 : -60 - static_cast<int>(N % 60));
  for (unsigned Workers : {1, 2, 5}) {
    Outcome Found = run(From, 3, 1, Workers);
    check(From, Found, 3, 1);
    EXPECT_LT(Found.Logits[77], 0);
    EXPECT_GT(leftOut(Found), 0);
  }
}

/// Negative scales turn rows around.
TEST_P(HeadTest, TakesNegativeScales) {
  Head From = makeQuiet(8);
  for (int64_t I = 0; I < 20; ++I)
    plant(From, 13 * I, 0, I % 2 ? 100 : -100 + static_cast<int>(I));
  for (int64_t I = 0; I < 20; ++I)
    if (I % 2 == 0)
      for (int64_t Block = 0; Block < Blocks; ++Block)
        From.Scales[13 * I * Blocks + Block] |= 0x8000;
  for (int64_t Wanted : {1, 10, 20})
    check(From, run(From, 0, Wanted, 2), 0, Wanted);
}

/// A state that is not finite, and one that is so great that bounds would overflow, get
/// what the whole head says.
TEST_P(HeadTest, ComputesAllForStatesOutOfRange) {
  for (float Bad : {std::numeric_limits<float>::quiet_NaN(), Infinity, 3e38f}) {
    Head From = makeQuiet(9);
    From.X[1 * Width + 40] = Bad;
    Outcome All = run(From, 1, 0, 2), Found = run(From, 1, 1, 2);
    EXPECT_EQ(std::memcmp(All.Logits.data(), Found.Logits.data(), Outputs * sizeof(float)), 0);
    EXPECT_EQ(Found.Whole, 2);
  }
}

/// A row with a scale that is infinite or not a number has no bound, and is computed.
TEST_P(HeadTest, ComputesRowsThatAreNotFinite) {
  for (uint16_t Bad : {0x7c00, 0xfc00, 0x7e00}) {
    Head From = makeQuiet(11);
    plant(From, 500, 0, 120);
    From.Scales[900 * Blocks + 1] = Bad;
    Outcome All = run(From, 0, 0, 2), Found = run(From, 0, 1, 2);
    EXPECT_FALSE(std::isfinite(Found.Logits[900]));
    EXPECT_EQ(std::memcmp(&All.Logits[900], &Found.Logits[900], sizeof(float)), 0);
  }
}

/// A state of zeros: all logits are 0, and the same as the greatest.
TEST_P(HeadTest, KeepsAllOfAStateOfZeros) {
  Head From = makeQuiet(12);
  std::fill(From.X.begin(), From.X.end(), 0.0f);
  Outcome Found = run(From, 0, 1, 2);
  EXPECT_EQ(leftOut(Found), 0);
  check(From, Found, 0, Outputs);
}

/// More than the op offers, and 0, mean all.
TEST_P(HeadTest, GivesAllWhenAsked) {
  Head From = makeQuiet(13);
  plant(From, 5, 0, 120);
  for (int64_t Wanted : {0, 65, 1000}) {
    Outcome Found = run(From, 0, Wanted, 3);
    EXPECT_EQ(leftOut(Found), 0);
    check(From, Found, 0, Outputs);
  }
}

//===----------------------------------------------------------------------===//
// Several rows
//===----------------------------------------------------------------------===//

/// Each row of a step finds its own greatest, with any number of rows and workers.
TEST_P(HeadTest, FindsTheGreatestOfEachRow) {
  Head From = makeQuiet(21);
  for (int64_t I = 0; I < 4 * 70; ++I)
    plant(From, (I * 389) % Outputs, I % Rows, static_cast<int>(50 + I / 4));
  std::mt19937 Random(21);
  for (size_t Count = 1; Count <= 8; ++Count)
    for (int64_t Wanted : {1, 40})
      for (unsigned Workers : {1, 2, 5}) {
        std::vector<int32_t> States;
        for (size_t I = 0; I < Count; ++I)
          States.push_back(static_cast<int32_t>(Random() % Rows));
        Outcome Found = runRows(From, States, Wanted, Workers);
        for (size_t I = 0; I < Count; ++I) {
          Outcome Own = rowOf(Found, I);
          check(From, Own, States[I], Wanted);
          EXPECT_GT(leftOut(Own), 200) << Count << " rows, " << Wanted << " wanted";
        }
        EXPECT_EQ(Found.Whole, 0);
        EXPECT_GE(leftOut(Found), static_cast<int64_t>(Count) * Outputs - Found.Computed);
      }
}

/// A row that all rows of the head survive is computed whole, and the others are not
/// harmed; the report says which.
TEST_P(HeadTest, ComputesAllForSomeRowsOfAStep) {
  Head From = makeQuiet(22);
  std::fill_n(From.X.begin() + 2 * Width, Width, 0.0f); // All logits of state 2 are 0.
  for (int64_t Row : {0, 1, 3})
    plant(From, 100 * Row + 7, Row, 120);
  for (const std::vector<int32_t> &States :
       {std::vector<int32_t>{0, 2, 1}, {2, 0, 3, 1, 2, 0}, {0, 1, 3, 2}, {0, 1, 2, 3, 2, 1, 0, 3}})
    for (unsigned Workers : {1, 2}) {
      Outcome Found = runRows(From, States, 1, Workers);
      int64_t Bits = 0;
      for (size_t I = 0; I < States.size(); ++I) {
        Outcome Own = rowOf(Found, I);
        check(From, Own, States[I], 1);
        if (States[I] != 2)
          continue;
        EXPECT_EQ(leftOut(Own), 0);
        Bits |= int64_t(1) << I;
      }
      EXPECT_EQ(Found.Bits, std::vector<int64_t>(Workers, Bits));
    }
}

/// A row that is not finite has no bounds: all rows of its step get all of their logits.
TEST_P(HeadTest, GivesAllRowsOfAStepWhereOneIsOutOfRange) {
  Head From = makeQuiet(23);
  From.X[1 * Width + 40] = Infinity;
  plant(From, 5, 0, 120);
  Outcome Found = runRows(From, {0, 1, 3}, 1, 2);
  EXPECT_EQ(Found.Bits, std::vector<int64_t>(2, 7));
  Outcome Alone = run(From, 1, 0, 1), Own = rowOf(Found, 1);
  EXPECT_EQ(std::memcmp(Alone.Logits.data(), Own.Logits.data(), Outputs * sizeof(float)), 0);
  for (size_t I : {0, 2})
    check(From, rowOf(Found, I), I ? 3 : 0, Outputs);
}

/// More than the op offers, and 0, mean all logits of all rows.
TEST_P(HeadTest, GivesAllOfAllRowsWhenAsked) {
  Head From = makeQuiet(24);
  for (int64_t Wanted : {0, 65}) {
    Outcome Found = runRows(From, {3, 0, 1, 2, 1}, Wanted, 3);
    EXPECT_EQ(leftOut(Found), 0);
    size_t I = 0;
    for (int64_t Row : {3, 0, 1, 2, 1})
      check(From, rowOf(Found, I++), Row, Outputs);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, HeadTest,
                         testing::Combine(testing::Values("q8_0_planes4", "q8_0_planes5"),
                                          testing::Values("x86-64-v3", "x86-64-v4-emulated",
                                                          "host")),
                         [](const auto &Info) {
                           std::string Name =
                               std::string(std::get<0>(Info.param)) + "_" + std::get<1>(Info.param);
                           std::replace(Name.begin(), Name.end(), '-', '_');
                           return Name;
                         });

} // namespace
