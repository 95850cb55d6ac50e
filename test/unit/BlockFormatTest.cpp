//===- BlockFormatTest.cpp - Formats against gguf-py's dequantisers -------===//

#include "runtime/formats/BlockFormat.h"
#include "runtime/formats/GGMLTypes.h"
#include "runtime/support/Half.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

using namespace lathe;

namespace {

/// A file that conformance/make_block_goldens.py wrote.
std::vector<uint8_t> readGolden(std::string_view Format) {
  std::ifstream File(LATHE_TEST_REFERENCE "/blocks/" + std::string(Format) + ".bin",
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(File), {}};
}

class EveryFormat : public testing::TestWithParam<const BlockFormat *> {};

TEST_P(EveryFormat, DequantizesLikeTheOracle) {
  const BlockFormat &Format = *GetParam();
  std::vector<uint8_t> Golden = readGolden(fileFormat(Format).Name);
  size_t PerBlock = Format.BlockBytes + Format.BlockElements * sizeof(float);
  ASSERT_FALSE(Golden.empty());
  ASSERT_EQ(Golden.size() % PerBlock, 0u);
  int64_t Blocks = Golden.size() / PerBlock;

  std::vector<float> Weights(Blocks * Format.BlockElements);
  Format.Dequantize(Golden.data(), Blocks, Weights.data());
  const uint8_t *Expected = Golden.data() + Blocks * Format.BlockBytes;
  EXPECT_EQ(std::memcmp(Weights.data(), Expected, Weights.size() * sizeof(float)), 0);
}

TEST_P(EveryFormat, IsFoundByNameAndType) {
  const BlockFormat &Format = *GetParam();
  EXPECT_EQ(findBlockFormat(Format.Name), &Format);
  EXPECT_EQ(findBlockFormat(Format.GGUFType), &fileFormat(Format));
}

TEST_P(EveryFormat, HasTheSizesOfTheTypeTable) {
  const BlockFormat &Format = *GetParam();
  const GGMLType *Type = findGGMLType(Format.GGUFType);
  ASSERT_TRUE(Type);
  EXPECT_EQ(Type->Name, fileFormat(Format).Name);
  EXPECT_EQ(Type->BlockElements, static_cast<uint64_t>(Format.BlockElements));
  EXPECT_EQ(Type->BlockBytes, static_cast<uint64_t>(Format.BlockBytes));
}

TEST_P(EveryFormat, PacksToTheSizeOfTheFile) {
  const BlockFormat &Format = *GetParam();
  // But for 6-bit scales, which become bytes: 16 of 12 in a super-block.
  bool HasSixBitScales = Format.Name == "q4_k" || Format.Name == "q5_k";
  int64_t InPanels = PanelRows * (Format.BlockBytes + (HasSixBitScales ? 4 : 0));
  // And integers with a scale for each row, or for every 128 elements of one.
  if (Format.RoundedBits)
    InPanels = Format.RoundedBits == 16 ? 2 * PanelRows : PanelRows + 1;
  EXPECT_EQ(Format.PanelBlockBytes + Format.TailBlockBytes, InPanels);
  EXPECT_EQ(Format.PanelFrontBytes, Format.PackingOf.empty() ? 0 : 4 * PanelRows);
  EXPECT_EQ(Format.TailBlockBytes != 0, Format.PackTail != nullptr);
  EXPECT_EQ(packedPanelBytes(Format, 128 * Format.BlockElements),
            Format.PanelFrontBytes + 128 * Format.PanelBlockBytes);
}

INSTANTIATE_TEST_SUITE_P(BlockFormat, EveryFormat, testing::ValuesIn(allBlockFormats()),
                         [](const auto &Info) { return std::string(Info.param->Name); });

TEST(BlockFormat, AllAreRegistered) {
  std::vector<std::string_view> Names;
  for (const BlockFormat *Format : allBlockFormats())
    Names.push_back(Format->Name);
  EXPECT_EQ(Names, (std::vector<std::string_view>{"bf16", "f16", "f32", "i16_bf16", "i16_f16",
                                                  "i16_f32", "i8_bf16", "i8_f16", "i8_f32", "q4_0",
                                                  "q4_1", "q4_k", "q5_0", "q5_1", "q5_k", "q6_k",
                                                  "q8_0", "q8_0_planes4", "q8_0_planes5"}));
  EXPECT_EQ(findBlockFormat("q9_9"), nullptr);
  EXPECT_EQ(findBlockFormat(200u), nullptr);
}

TEST(BlockFormat, OddBF16PanelsAreFilledUp) {
  EXPECT_EQ(packedPanelBytes(*findBlockFormat("bf16"), 5), 6 * 64);
  EXPECT_EQ(packedPanelBytes(*findBlockFormat("f16"), 5), 5 * 64);
}

TEST(Half, SpecialValues) {
  EXPECT_EQ(halfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(halfToFloat(0x7bff), 65504.0f);
  EXPECT_EQ(halfToFloat(0x0001), 0x1p-24f);
  EXPECT_TRUE(std::signbit(halfToFloat(0x8000)));
  EXPECT_EQ(halfToFloat(0x7c00), HUGE_VALF);
  EXPECT_EQ(halfToFloat(0xfc00), -HUGE_VALF);
  EXPECT_TRUE(std::isnan(halfToFloat(0x7e01)));
  EXPECT_EQ(bfloatToFloat(0x3f80), 1.0f);
}

} // namespace
