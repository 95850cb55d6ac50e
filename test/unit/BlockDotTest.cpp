//===- BlockDotTest.cpp - Kernels against the float steps that docs promise ===//
//
// For every format and target, a program of an embedding and one contraction is
// compiled and run.  What it gives must be, bit by bit, what docs/layouts.md says
// that it computes, however many rows are computed together.
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

#include <cmath>
#include <random>

using namespace lathe;
using namespace lathe::compiler;
using namespace mlir;

namespace {

/// Of rows, two tiles and one more.
constexpr int64_t Outputs = 40, Width = 512, Rows = 13;

/// What rows become ahead of the contraction; empty: nothing.
using RowKind = std::string_view;
constexpr RowKind AsFloats = "", AsBytes = "q8_act", AsWords = "q16_act", AsOffsets = "u8_act";

/// One token for each row.  The arena is more than enough.
std::string programText(const BlockFormat &Format, int64_t MaxRows, RowKind Kind) {
  auto Sizes = [&](const char *Text) {
    std::string Result(Text);
    std::pair<std::string, std::string> Words[] = {
        {"$R", std::to_string(MaxRows)},
        {"$T", std::to_string(Rows)},
        {"$A", "!lathe." + std::string(Kind)},
        {"$W", (Format.isBlock() ? "!lathe." : "") + std::string(Format.Name)}};
    for (auto &[Name, Value] : Words)
      for (size_t At = 0; (At = Result.find(Name, At)) != std::string::npos;)
        Result.replace(At, Name.size(), Value);
    return Result;
  };
  std::string Text = R"(
module attributes {lathe.stage = "planned"} {
  lathe.weights @t : tensor<$Tx512xf32> from "t"
  lathe.weights @w : tensor<40x512x$W> from "w"
  step.program @decode max_rows = $R arena = 65536 (%rows: !lathe.rows,
      %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<$Rx40xf32>) {
    %x = step.alloc at 0 : !step.buffer<$Rx512xf32>
    step.phase "embed" over rows {
      %table = lathe.weight @t : tensor<$Tx512xf32>
      %0 = lathe.embed %rows, %table : tensor<$Tx512xf32> -> tensor<?x512xf32>
      step.store %0, %x : tensor<?x512xf32>, !step.buffer<$Rx512xf32>
    }
    step.barrier
    step.phase "dot" over columns {
      %0 = step.load %x : !step.buffer<$Rx512xf32> -> tensor<?x512xf32>
      %w = lathe.weight @w : tensor<40x512x$W>
)";
  Text += Kind != AsFloats ? R"(
      %q = lathe.quantize %0 : tensor<?x512xf32> -> tensor<?x512x$A>
      %1 = lathe.linear %q, %w : tensor<?x512x$A>, tensor<40x512x$W> -> tensor<?x40xf32>
)"
                           : R"(
      %1 = lathe.linear %0, %w : tensor<?x512xf32>, tensor<40x512x$W> -> tensor<?x40xf32>
)";
  Text += R"(
      step.store %1, %logits : tensor<?x40xf32>, !step.buffer<$Rx40xf32>
    }
  }
}
)";
  return Sizes(Text.c_str());
}

//===----------------------------------------------------------------------===//
// What a block is, and what the kernels promise
//===----------------------------------------------------------------------===//

float halfAt(const uint8_t *Place) { return halfToFloat(load<uint16_t>(Place)); }

/// The weights of a block of the file when its halves are `Scales`.
std::vector<int64_t> levels(const BlockFormat &Format, const uint8_t *Block,
                            std::vector<uint16_t> Scales) {
  std::vector<uint8_t> Copy(Block, Block + Format.BlockBytes);
  for (int64_t I = 0; I < Format.ScaleHalves; ++I)
    store<uint16_t>(Copy.data() + Format.ScaleOffset + 2 * I, Scales[I]);
  std::vector<float> Weights(Format.BlockElements);
  Format.Dequantize(Copy.data(), 1, Weights.data());
  return {Weights.begin(), Weights.end()};
}

/// 32 k of one row: integers, their scale, and the minimum where there is one.
struct Terms {
  std::vector<int64_t> Integers;
  float Scale;
  std::optional<float> Minimum;
};

/// The 6-bit scale of block `I` of a super-block.
int sixBits(const uint8_t *Super, int64_t I) {
  const uint8_t *P = Super + 4;
  return I < 4 ? P[I] & 63 : (P[I + 4] & 15) + (P[I - 4] / 64) * 16;
}

std::vector<Terms> readTerms(const BlockFormat &Format, const uint8_t *Block) {
  constexpr uint16_t Zero = 0, One = 0x3c00;
  const uint8_t *Scales = Block + Format.ScaleOffset;
  bool HasMinimum = Format.ScaleHalves == 2, IsSuper = Format.BlockElements > 32;
  std::vector<int64_t> All = levels(Format, Block, {One, Zero});
  std::vector<int64_t> Minima = levels(Format, Block, {Zero, One});
  std::vector<Terms> Result;
  for (int64_t I = 0; I < Format.BlockElements / 32; ++I) {
    Terms Each = {{All.begin() + 32 * I, All.begin() + 32 * (I + 1)}, halfAt(Scales), {}};
    if (HasMinimum)
      Each.Minimum = halfAt(Scales + 2) * static_cast<float>(Minima[32 * I]);
    if (HasMinimum && IsSuper) {
      int Integer = sixBits(Block, I);
      Each.Scale *= static_cast<float>(Integer);
      for (int64_t &Level : Each.Integers)
        Level = Integer ? Level / Integer : 0;
    }
    Result.push_back(Each);
  }
  return Result;
}

struct QuantizedBlock {
  float Scale;
  std::vector<int64_t> Elements;
};

QuantizedBlock quantize(const float *X) {
  float Greatest = 0;
  for (int64_t K = 0; K < 32; ++K)
    Greatest = std::max(Greatest, std::abs(X[K]));
  QuantizedBlock Result = {Greatest / 127.0f, {}};
  float Inverse = Greatest == 0 ? 0 : 127.0f / Greatest;
  for (int64_t K = 0; K < 32; ++K)
    Result.Elements.push_back(std::lrintf(X[K] * Inverse));
  return Result;
}

float int8Dot(const BlockFormat &Format, const uint8_t *Row, const float *X) {
  float Sum = 0;
  for (int64_t First = 0; First < Width; First += Format.BlockElements, Row += Format.BlockBytes)
    for (auto [I, Each] : llvm::enumerate(readTerms(Format, Row))) {
      auto [Scale, Elements] = quantize(X + First + 32 * I);
      int64_t Integer = 0, Total = 0;
      for (int64_t K = 0; K < 32; ++K) {
        Integer += Each.Integers[K] * Elements[K];
        Total += Elements[K];
      }
      float Factor = Each.Scale * Scale, ScaledTotal = Scale * static_cast<float>(Total);
      Sum = std::fmaf(Factor, static_cast<float>(Integer), Sum);
      if (Each.Minimum)
        Sum = std::fmaf(*Each.Minimum, ScaledTotal, Sum);
    }
  return Sum;
}

float floatDot(const BlockFormat &Format, const uint8_t *Row, const float *X) {
  std::vector<float> Weights(Width);
  Format.Dequantize(Row, Width / Format.BlockElements, Weights.data());
  float Sum = 0;
  for (int64_t K = 0; K < Width; ++K)
    Sum = std::fmaf(Weights[K], X[K], Sum);
  return Sum;
}

/// A row as int16, and what one of its integers is worth.
struct Words {
  float Scale;
  std::vector<int64_t> Integers;
};

Words roundToWords(const BlockFormat &Format, const uint8_t *Row) {
  std::vector<float> Weights(Width);
  Format.Dequantize(Row, Width, Weights.data());
  double Sum = 0, Largest = 0;
  for (float Each : Weights) {
    Sum += std::abs(double(Each));
    Largest = std::max(Largest, std::abs(double(Each)));
  }
  auto Scale = static_cast<float>(std::max(Sum / (2147483647 / 4095 - Width), Largest / 32767));
  Words Result = {Scale, {}};
  for (float Each : Weights)
    Result.Integers.push_back(Scale > 0 ? std::lrint(double(Each) / double(Scale)) : 0);
  return Result;
}

float int16Dot(const BlockFormat &Format, const uint8_t *Row, const float *X) {
  auto [Scale, Integers] = roundToWords(Format, Row);
  float Greatest = 0;
  for (int64_t K = 0; K < Width; ++K)
    Greatest = std::max(Greatest, std::abs(X[K]));
  float Inverse = Greatest == 0 ? 0 : 4095.0f / Greatest;
  int64_t Sum = 0;
  for (int64_t K = 0; K < Width; ++K)
    Sum += Integers[K] * std::lrintf(X[K] * Inverse);
  return static_cast<float>(Sum) * (Greatest / 4095.0f * Scale);
}

/// 128 weights of a row as int8, and what one of their integers is worth.
struct Part {
  float Scale;
  std::vector<int64_t> Integers;
};

constexpr int64_t Together = 128;

std::vector<Part> roundToBytes(const BlockFormat &Format, const uint8_t *Row) {
  std::vector<float> Weights(Width);
  Format.Dequantize(Row, Width, Weights.data());
  std::vector<Part> Parts;
  for (int64_t First = 0; First < Width; First += Together) {
    double Largest = 0;
    for (int64_t K = First; K < First + Together; ++K)
      Largest = std::max(Largest, std::abs(double(Weights[K])));
    Part &Own = Parts.emplace_back(Part{static_cast<float>(Largest / 127), {}});
    for (int64_t K = First; K < First + Together; ++K)
      Own.Integers.push_back(Own.Scale > 0 ? std::lrint(double(Weights[K]) / double(Own.Scale))
                                           : 0);
  }
  return Parts;
}

float byteDot(const BlockFormat &Format, const uint8_t *Row, const float *X) {
  std::vector<Part> Parts = roundToBytes(Format, Row);
  double Total = 0;
  for (const Part &Each : Parts)
    for (int64_t Integer : Each.Integers)
      Total += double(Each.Scale) * double(Integer);
  float Low = *std::min_element(X, X + Width), Sum = Low * static_cast<float>(Total);
  for (const Part &Each : Parts) {
    float Above = *std::max_element(X, X + Together) - Low;
    float Inverse = Above == 0 ? 0 : 255.0f / Above;
    int64_t Integer = 0;
    for (int64_t K = 0; K < Together; ++K)
      Integer += Each.Integers[K] * std::lrintf((*X++ - Low) * Inverse);
    Sum = std::fmaf(Above / 255.0f * Each.Scale, static_cast<float>(Integer), Sum);
  }
  return Sum;
}

/// f32 rows and weights that `readRow` gives.
template <typename ReadRow> float roundedFloatDot(ReadRow Read, const float *X) {
  float Sum = 0;
  for (int64_t K = 0; K < Width; ++K)
    Sum = std::fmaf(Read(K), X[K], Sum);
  return Sum;
}

float byteFloatDot(const BlockFormat &Format, const uint8_t *Row, const float *X) {
  std::vector<Part> Parts = roundToBytes(Format, Row);
  return roundedFloatDot(
      [&](int64_t K) {
        const Part &Own = Parts[K / Together];
        return static_cast<float>(Own.Integers[K % Together]) * Own.Scale;
      },
      X);
}

float wordFloatDot(const BlockFormat &Format, const uint8_t *Row, const float *X) {
  Words Rounded = roundToWords(Format, Row);
  return roundedFloatDot(
      [&](int64_t K) { return static_cast<float>(Rounded.Integers[K]) * Rounded.Scale; }, X);
}

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

/// A packed matrix, at a multiple of 64.
struct Packed {
  Packed(const BlockFormat &Format, const uint8_t *Source, int64_t N)
      : Bytes(packedMatrixBytes(Format, N, Width) + 64),
        Start(reinterpret_cast<uint8_t *>(llvm::alignAddr(Bytes.data(), llvm::Align(64)))) {
    packMatrix(Format, Source, N, Width, 0, panelCount(N), Start);
  }
  std::vector<uint8_t> Bytes;
  uint8_t *Start;
};

class BlockDot : public testing::TestWithParam<std::tuple<const BlockFormat *, const char *>> {
protected:
  BlockDot() : Format(*std::get<0>(GetParam())), X(Rows * Width) {
    DialectRegistry Registry;
    registerLatheDialects(Registry);
    Context.appendDialectRegistry(Registry);
    Context.loadAllAvailableDialects();
    std::mt19937 Random(7);
    // Some rows of one size, some blocks of zeros, and the extremes.
    for (int64_t I = 0; I < Rows * Width; ++I)
      X[I] = std::ldexp(static_cast<float>(Random()), -32) * 4 - 2;
    std::fill(X.begin() + 64, X.begin() + 96, 0.0f);
    std::fill(X.begin() + Width, X.begin() + 2 * Width, 1.0f);
    std::fill(X.begin() + 2 * Width, X.begin() + 3 * Width, -1.0f);
    fillBlocks(Random);
  }

  /// Random bytes under scales near 1; row 0 has all bits set and row 1 none.
  void fillBlocks(std::mt19937 &Random) {
    RowBytes = Width / Format.BlockElements * Format.BlockBytes;
    for (int64_t I = 0; I < Outputs * RowBytes; ++I)
      Blocks.push_back(I < RowBytes ? 0xff : I < 2 * RowBytes ? 0 : Random());
    for (int64_t At = 0; At < Outputs * RowBytes; At += Format.BlockBytes)
      for (int64_t Half = 0; Half < Format.ScaleHalves; ++Half)
        store<uint16_t>(Blocks.data() + At + Format.ScaleOffset + 2 * Half,
                        0x3400 + (Random() & 0x8bff));
    // Floats get exponents of small numbers.
    for (size_t At = 0; Format.RoundedBits && At < Blocks.size(); At += Format.BlockBytes)
      Blocks[At + Format.BlockBytes - 1] &= 0xbd;
  }

  /// The products [Rows][Outputs], computed `Together` rows at a time.
  std::vector<float> run(int64_t Together, RowKind Kind) {
    Packed Table(*findBlockFormat("f32"), reinterpret_cast<const uint8_t *>(X.data()), Rows);
    Packed Weights(Format, Blocks.data(), Outputs);
    const uint8_t *Pointers[] = {Table.Start, Weights.Start};
    std::vector<KernelStep> Steps;
    for (int32_t Row = 0; Row < Rows; ++Row) {
      if (Row % Together == 0)
        Steps.emplace_back().entry = "decode";
      KernelStep &Step = Steps.back();
      Step.logitsRows.push_back(Step.tokens.size());
      Step.tokens.push_back(Row);
      Step.positions.push_back(Row);
      Step.sequences.push_back(0);
    }
    return runSteps(programText(Format, Together, Kind), Steps, Pointers);
  }

  /// The embeddings [Outputs][Width] of all rows of the blocks.
  std::vector<float> embedAll() {
    std::string Name = "!lathe." + std::string(Format.Name);
    std::string Text = R"(
module attributes {lathe.stage = "planned"} {
  lathe.weights @w : tensor<40x512x$W> from "w"
  step.program @decode max_rows = 1 arena = 64 (%rows: !lathe.rows,
      %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x512xf32>) {
    step.phase "embed" over rows {
      %table = lathe.weight @w : tensor<40x512x$W>
      %0 = lathe.embed %rows, %table : tensor<40x512x$W> -> tensor<?x512xf32>
      step.store %0, %logits : tensor<?x512xf32>, !step.buffer<1x512xf32>
    }
  }
}
)";
    for (size_t At; (At = Text.find("$W")) != std::string::npos;)
      Text.replace(At, 2, Name);
    std::vector<KernelStep> Steps;
    for (int32_t Row = 0; Row < Outputs; ++Row)
      Steps.push_back({.entry = "decode",
                       .tokens = {Row},
                       .positions = {Row},
                       .sequences = {0},
                       .logitsRows = {0},
                       .layerRuns = {},
                       .exitAt = {},
                       .widths = {}});
    Packed Table(Format, Blocks.data(), Outputs);
    const uint8_t *Pointers[] = {Table.Start};
    return runSteps(Text, Steps, Pointers);
  }

  /// What the steps of a program give, one behind the other.
  std::vector<float> runSteps(const std::string &Text, ArrayRef<KernelStep> Steps,
                              const uint8_t *const *Pointers) {
    OwningOpRef<ModuleOp> Module = parseSourceString<ModuleOp>(Text, &Context);
    EXPECT_TRUE(Module);
    KernelFacts Facts(*Module);
    PassManager Passes(&Context);
    PipelineOptions Options;
    Options.target = std::get<1>(GetParam());
    addStage(Passes, findStage("kernels"), Options);
    EXPECT_TRUE(succeeded(Passes.run(*Module)));
    auto Runner = KernelRunner::create(*Module, Facts);
    EXPECT_TRUE(Runner);
    auto Results = Runner->run(UnknownLoc::get(&Context), Steps, Pointers, 2);
    EXPECT_TRUE(succeeded(Results));
    std::vector<float> All;
    for (ReferenceArray &Each : *Results)
      llvm::append_range(All, std::get<std::vector<float>>(Each.elements));
    return All;
  }

  using DotOf = float(const BlockFormat &Format, const uint8_t *Row, const float *X);
  void check(RowKind Kind, DotOf *Dot) {
    for (int64_t Together : {int64_t(1), int64_t(7), Rows}) {
      std::vector<float> Found = run(Together, Kind);
      ASSERT_EQ(Found.size(), static_cast<size_t>(Rows * Outputs));
      for (int64_t Row = 0; Row < Rows; ++Row)
        for (int64_t N = 0; N < Outputs; ++N)
          ASSERT_EQ(Found[Row * Outputs + N],
                    Dot(Format, Blocks.data() + N * RowBytes, X.data() + Row * Width))
              << "row " << Row << ", output " << N << ", " << Together << " rows together";
    }
  }

  const BlockFormat &Format;
  MLIRContext Context;
  std::vector<float> X;
  std::vector<uint8_t> Blocks;
  int64_t RowBytes = 0;
};

bool hostRunsKernels() { return hostHasFeature("avx2") && hostHasFeature("fma"); }

TEST_P(BlockDot, Int8HasThePromisedBits) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  check(AsBytes, int8Dot);
}

TEST_P(BlockDot, F32MultipliesTheDequantizedWeights) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  check(AsFloats, floatDot);
}

/// Rows of a table, as the embedding of a token gathers them.
TEST_P(BlockDot, EmbeddingsAreTheDequantizedRows) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  std::vector<float> Found = embedAll();
  ASSERT_EQ(Found.size(), static_cast<size_t>(Outputs * Width));
  std::vector<float> Weights(Width);
  for (int64_t Row = 0; Row < Outputs; ++Row) {
    Format.Dequantize(Blocks.data() + Row * RowBytes, Width / Format.BlockElements, Weights.data());
    for (int64_t K = 0; K < Width; ++K)
      ASSERT_EQ(Found[Row * Width + K], Weights[K]) << "row " << Row << ", column " << K;
  }
}

std::vector<const BlockFormat *> quantizedFormats() {
  std::vector<const BlockFormat *> Formats = allBlockFormats();
  llvm::erase_if(Formats, [](const BlockFormat *Format) { return !Format->Quantized; });
  return Formats;
}

class WordDot : public BlockDot {};

TEST_P(WordDot, Int16HasThePromisedBits) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  check(AsWords, int16Dot);
}

TEST_P(WordDot, F32MultipliesTheRoundedWeights) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  check(AsFloats, wordFloatDot);
}

TEST_P(WordDot, EmbeddingsAreTheRoundedRows) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  std::vector<float> Found = embedAll();
  ASSERT_EQ(Found.size(), static_cast<size_t>(Outputs * Width));
  for (int64_t Row = 0; Row < Outputs; ++Row) {
    auto [Scale, Integers] = roundToWords(Format, Blocks.data() + Row * RowBytes);
    for (int64_t K = 0; K < Width; ++K)
      ASSERT_EQ(Found[Row * Width + K], static_cast<float>(Integers[K]) * Scale);
  }
}

class ByteDot : public BlockDot {};

TEST_P(ByteDot, Int8HasThePromisedBits) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  check(AsOffsets, byteDot);
}

TEST_P(ByteDot, F32MultipliesTheRoundedWeights) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  check(AsFloats, byteFloatDot);
}

TEST_P(ByteDot, EmbeddingsAreTheRoundedRows) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  std::vector<float> Found = embedAll();
  ASSERT_EQ(Found.size(), static_cast<size_t>(Outputs * Width));
  for (int64_t Row = 0; Row < Outputs; ++Row) {
    std::vector<Part> Parts = roundToBytes(Format, Blocks.data() + Row * RowBytes);
    for (int64_t K = 0; K < Width; ++K) {
      const Part &Own = Parts[K / Together];
      ASSERT_EQ(Found[Row * Width + K], static_cast<float>(Own.Integers[K % Together]) * Own.Scale);
    }
  }
}

std::vector<const BlockFormat *> roundedFormats(int64_t Bits) {
  std::vector<const BlockFormat *> Formats = allBlockFormats();
  llvm::erase_if(Formats, [&](const BlockFormat *Format) { return Format->RoundedBits != Bits; });
  return Formats;
}

std::string nameOf(const testing::TestParamInfo<BlockDot::ParamType> &Info) {
  std::string Name(std::get<0>(Info.param)->Name);
  Name += std::string("_") + std::get<1>(Info.param);
  std::replace(Name.begin(), Name.end(), '-', '_');
  return Name;
}

constexpr const char *Targets[] = {"x86-64-v3", "x86-64-v4-emulated", "host"};
INSTANTIATE_TEST_SUITE_P(Formats, BlockDot,
                         testing::Combine(testing::ValuesIn(quantizedFormats()),
                                          testing::ValuesIn(Targets)),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Formats, WordDot,
                         testing::Combine(testing::ValuesIn(roundedFormats(16)),
                                          testing::ValuesIn(Targets)),
                         nameOf);
INSTANTIATE_TEST_SUITE_P(Formats, ByteDot,
                         testing::Combine(testing::ValuesIn(roundedFormats(8)),
                                          testing::ValuesIn(Targets)),
                         nameOf);

} // namespace
