//===- PackerTest.cpp - Panels, read back by the documented layout --------===//

#include "runtime/weights/Packer.h"

#include "runtime/support/Half.h"
#include "runtime/support/Unaligned.h"

#include "gtest/gtest.h"

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>

using namespace lathe;

namespace {

// Readers of one weight of a panel, written from the layout's description and
// not from the packer: row 0..31, k from the start of the panel.
using Reader = std::function<float(const uint8_t *Panel, int64_t Row, int64_t K)>;

float scaleAt(const uint8_t *Scales, int64_t Row) {
  return halfToFloat(load<uint16_t>(Scales + 2 * Row));
}

int nibbleAt(const uint8_t *Block, int64_t Row, int64_t K) {
  int64_t J = K / 8, R = Row / 16, I = Row % 16, Q = K % 4;
  uint8_t Byte = Block[64 * (2 * J + R) + 4 * I + Q];
  return K % 8 < 4 ? Byte & 15 : Byte >> 4;
}

float readQ4_0(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Block = Panel + K / 32 * 576;
  return scaleAt(Block + 512, Row) * static_cast<float>(nibbleAt(Block, Row, K % 32) - 8);
}

float readQ4_1(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Block = Panel + K / 32 * 640;
  float Product = scaleAt(Block + 512, Row) * static_cast<float>(nibbleAt(Block, Row, K % 32));
  return Product + scaleAt(Block + 576, Row);
}

/// The quant of 5 bits: a bit for each quad of k, behind the nibbles.
int fiveBitsAt(const uint8_t *Block, int64_t Row, int64_t K) {
  uint8_t Plane = Block[512 + 4 * Row + K % 4];
  return nibbleAt(Block, Row, K) + 16 * (Plane >> K / 4 & 1);
}

float readQ5_0(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Block = Panel + K / 32 * 704;
  return scaleAt(Block + 640, Row) * static_cast<float>(fiveBitsAt(Block, Row, K % 32) - 16);
}

float readQ5_1(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Block = Panel + K / 32 * 768;
  float Product = scaleAt(Block + 640, Row) * static_cast<float>(fiveBitsAt(Block, Row, K % 32));
  return Product + scaleAt(Block + 704, Row);
}

/// (d * scale) * quant - dmin * minimum, with the integers at the end of a block.
float readScaledMinimum(const uint8_t *Super, const uint8_t *Integers, int64_t Row, int Quant) {
  float Scale = scaleAt(Super, Row) * static_cast<float>(Integers[Row]);
  float Minimum = scaleAt(Super + 64, Row) * static_cast<float>(Integers[32 + Row]);
  float Product = Scale * static_cast<float>(Quant);
  return Product - Minimum;
}

float readQ4_K(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Super = Panel + K / 256 * 4736, *Block = Super + 128 + K % 256 / 32 * 576;
  return readScaledMinimum(Super, Block + 512, Row, nibbleAt(Block, Row, K % 32));
}

float readQ5_K(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Super = Panel + K / 256 * 5760, *Block = Super + 128 + K % 256 / 32 * 704;
  return readScaledMinimum(Super, Block + 640, Row, fiveBitsAt(Block, Row, K % 32));
}

float readQ6_K(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Super = Panel + K / 256 * 6720, *Block = Super + 64 + K % 256 / 32 * 832;
  int64_t Half = K % 32 / 16;
  uint8_t Plane = Block[512 + 128 * Half + 4 * Row + K % 4];
  int Quant = nibbleAt(Block, Row, K % 32) + 16 * (Plane >> K % 16 / 4 * 2 & 3);
  auto Integer = static_cast<int8_t>(Block[768 + 2 * Row + Half]);
  float Scale = scaleAt(Super, Row) * static_cast<float>(Integer);
  return Scale * static_cast<float>(Quant - 32);
}

float readQ8_0(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Block = Panel + K / 32 * 1088;
  int64_t J = K % 32 / 4, R = Row / 16, I = Row % 16, Q = K % 4;
  int Quant = Block[64 * (2 * J + R) + 4 * I + Q] - 128;
  return scaleAt(Block + 1024, Row) * static_cast<float>(Quant);
}

/// Bits of the planes of q8_0, `Blocks` blocks in each whole row, which starts at `Part`.
int nibbleOfRow(const uint8_t *Part, int64_t Block, int64_t K) {
  uint8_t Byte = Part[16 * Block + 4 * (K / 8) + K % 4];
  return K % 8 < 4 ? Byte & 15 : Byte >> 4;
}
int bitOfRow(const uint8_t *Part, int64_t Block, int64_t K) {
  return Part[4 * Block + K % 4] >> K / 4 & 1;
}
int pairOfRow(const uint8_t *Part, int64_t Block, int64_t K) {
  return Part[8 * Block + 4 * (K / 16) + K % 4] >> 2 * (K / 4 % 4) & 3;
}

/// A weight of a matrix with `HighBits` bits in the panels and the others behind them all.
Reader readPlanes(int64_t HighBits, int64_t Panels, int64_t Blocks, const uint8_t *Matrix) {
  return [=](const uint8_t *Panel, int64_t Row, int64_t K) {
    int64_t HighBytes = HighBits == 4 ? 16 : 20, Block = K / 32, Within = K % 32;
    int64_t PanelBytes = 128 + Blocks * (64 + 32 * HighBytes);
    int64_t TailBytes = 32 * Blocks * (34 - 2 - HighBytes);
    int64_t Group = Row / 16 * Blocks + Block;
    const uint8_t *Scales = Panel + 128 + 32 * Group;
    const uint8_t *Fifths = Panel + 128 + 64 * Blocks + 64 * Group + 4 * (Row % 16);
    const uint8_t *High = Panel + 128 + (HighBits == 4 ? 64 : 192) * Blocks + 16 * Row * Blocks;
    const uint8_t *Low = Matrix + Panels * PanelBytes + (Panel - Matrix) / PanelBytes * TailBytes +
                         Row * TailBytes / 32;
    int Byte = nibbleOfRow(High, Block, Within);
    if (HighBits == 4)
      Byte = 16 * Byte + nibbleOfRow(Low, Block, Within);
    else
      Byte = 8 * Byte + 128 * bitOfRow(Fifths, 0, Within) +
             4 * bitOfRow(Low + 8 * Blocks, Block, Within) + pairOfRow(Low, Block, Within);
    return scaleAt(Scales, Row % 16) * static_cast<float>(Byte - 128);
  };
}

float readF32(const uint8_t *Panel, int64_t Row, int64_t K) {
  return load<float>(Panel + 4 * (32 * K + Row));
}

float readF16(const uint8_t *Panel, int64_t Row, int64_t K) {
  return halfToFloat(load<uint16_t>(Panel + 2 * (32 * K + Row)));
}

float readBF16(const uint8_t *Panel, int64_t Row, int64_t K) {
  return bfloatToFloat(load<uint16_t>(Panel + 2 * (64 * (K / 2) + 2 * Row + K % 2)));
}

float readWords(const uint8_t *Panel, int64_t Row, int64_t K) {
  auto Integer = load<int16_t>(Panel + 128 + 2 * (64 * (K / 2) + 2 * Row + K % 2));
  return load<float>(Panel + 4 * Row) * static_cast<float>(Integer);
}

/// 128 k of all rows, with their scales in front, behind the rows' sums.
const uint8_t *partOf(const uint8_t *Panel, int64_t K) { return Panel + 128 + K / 128 * 4224; }

float readBytes(const uint8_t *Panel, int64_t Row, int64_t K) {
  const uint8_t *Part = partOf(Panel, K);
  auto Integer = load<int8_t>(Part + 128 + K % 128 / 4 * 128 + 4 * Row + K % 4);
  return load<float>(Part + 4 * Row) * static_cast<float>(Integer);
}

/// The nearest multiple of the scale.
float roundToScale(const BlockFormat &Format, const uint8_t *Panel, int64_t Row, int64_t K,
                   float Weight) {
  auto Scale = load<float>((Format.RoundedBits == 8 ? partOf(Panel, K) : Panel) + 4 * Row);
  double Integer = Scale == 0 ? 0 : std::nearbyint(double(Weight) / double(Scale));
  return Scale * static_cast<float>(Integer);
}

const std::map<std::string_view, Reader> Readers = {
    {"q4_0", readQ4_0},     {"q4_1", readQ4_1},      {"q4_k", readQ4_K},    {"q5_0", readQ5_0},
    {"q5_1", readQ5_1},     {"q5_k", readQ5_K},      {"q6_k", readQ6_K},    {"q8_0", readQ8_0},
    {"f32", readF32},       {"f16", readF16},        {"bf16", readBF16},    {"i16_f32", readWords},
    {"i16_f16", readWords}, {"i16_bf16", readWords}, {"i8_f32", readBytes}, {"i8_f16", readBytes},
    {"i8_bf16", readBytes}};

/// Random blocks whose scales, and hence weights, are finite.
std::vector<uint8_t> randomMatrix(const BlockFormat &Format, int64_t N, int64_t K) {
  std::mt19937 Random(N * 1000 + K);
  std::vector<uint8_t> Bytes(N * K / Format.BlockElements * Format.BlockBytes);
  for (uint8_t &Byte : Bytes)
    Byte = static_cast<uint8_t>(Random());
  for (size_t Block = 0; Block < Bytes.size(); Block += Format.BlockBytes) {
    // The exponent of each float, whatever its kind, is in its last two bytes.
    for (int64_t Half = 0; Half < Format.ScaleHalves; ++Half)
      Bytes[Block + Format.ScaleOffset + 2 * Half + 1] &= 0xbf;
    if (!Format.Quantized)
      Bytes[Block + Format.BlockBytes - 1] &= 0xbf;
  }
  return Bytes;
}

class EveryFormat : public testing::TestWithParam<const BlockFormat *> {
protected:
  /// Packs an [N, K] matrix and compares every weight, also the missing rows.
  void checkMatrix(int64_t N, int64_t K) {
    const BlockFormat &Format = *GetParam();
    std::vector<uint8_t> Source = randomMatrix(Format, N, K);
    std::vector<float> Expected(N * K);
    packVector(Format, Source.data(), N * K, Expected.data());

    // Fresh memory need not be zero.
    std::vector<uint8_t> Packed(packedMatrixBytes(Format, N, K), 0xee);
    packMatrix(Format, Source.data(), N, K, 0, panelCount(N), Packed.data());
    int64_t PanelBytes = packedPanelBytes(Format, K);
    Reader Read = Format.PackTail
                      ? readPlanes(Format.Name.back() - '0', panelCount(N), K / 32, Packed.data())
                      : Readers.at(Format.Name);
    for (int64_t Row = 0; Row < panelCount(N) * PanelRows; ++Row)
      for (int64_t Col = 0; Col < K; ++Col) {
        const uint8_t *Panel = Packed.data() + Row / PanelRows * PanelBytes;
        float Want = Row < N ? Expected[Row * K + Col] : 0.0f;
        if (Format.RoundedBits)
          Want = roundToScale(Format, Panel, Row % PanelRows, Col, Want);
        ASSERT_EQ(Read(Panel, Row % PanelRows, Col), Want)
            << "row " << Row << ", column " << Col << " of " << N << " x " << K;
      }
  }
};

TEST_P(EveryFormat, PanelsHoldTheWeights) {
  int64_t Unit = std::max<int64_t>(32, GetParam()->BlockElements);
  for (int64_t N : {1, 16, 31, 32, 33, 70})
    for (int64_t K : {Unit, 2 * Unit, 3 * Unit})
      checkMatrix(N, K);
}

TEST_P(EveryFormat, RangesOfPanelsAreIndependent) {
  const BlockFormat &Format = *GetParam();
  constexpr int64_t N = 100, K = 512;
  std::vector<uint8_t> Source = randomMatrix(Format, N, K);
  std::vector<uint8_t> Whole(packedMatrixBytes(Format, N, K)), Parts(Whole.size());
  packMatrix(Format, Source.data(), N, K, 0, 4, Whole.data());
  packMatrix(Format, Source.data(), N, K, 2, 4, Parts.data());
  packMatrix(Format, Source.data(), N, K, 1, 1, Parts.data());
  packMatrix(Format, Source.data(), N, K, 0, 2, Parts.data());
  EXPECT_EQ(Whole, Parts);
}

/// Packed in an order, a matrix is what it would be had the file had its rows, or its blocks of
/// columns, in that order.
TEST_P(EveryFormat, TakesAnOrder) {
  const BlockFormat &Format = *GetParam();
  const int64_t Together = Format.BlockElements, N = 70, K = 4 * std::max<int64_t>(32, Together);
  const int64_t Blocks = K / Together, RowBytes = Blocks * Format.BlockBytes;
  std::vector<uint8_t> Source = randomMatrix(Format, N, K), Moved(Source.size());
  std::vector<int32_t> Rows(N), Columns(K);
  for (int64_t I = 0; I < N; ++I)
    Rows[I] = static_cast<int32_t>((I * 3 + 1) % N);
  for (int64_t I = 0; I < K; ++I)
    Columns[I] = static_cast<int32_t>((Blocks - 1 - I / Together) * Together + I % Together);
  for (const PackOrder &Order : {PackOrder{Rows, 0}, PackOrder{Columns, 1}}) {
    ASSERT_TRUE(isPackOrder(Order, Format, Order.Dim == 0 ? N : K));
    for (int64_t Row = 0; Row < N; ++Row)
      for (int64_t Block = 0; Block < Blocks; ++Block) {
        int64_t FromRow = Order.Dim == 0 ? Rows[Row] : Row;
        int64_t From = Order.Dim == 0 ? Block : Blocks - 1 - Block;
        std::copy_n(&Source[FromRow * RowBytes + From * Format.BlockBytes], Format.BlockBytes,
                    &Moved[Row * RowBytes + Block * Format.BlockBytes]);
      }
    std::vector<uint8_t> Packed(packedMatrixBytes(Format, N, K)), Expected(Packed.size());
    packMatrix(Format, Source.data(), N, K, 0, 1, Packed.data(), &Order);
    packMatrix(Format, Source.data(), N, K, 1, panelCount(N), Packed.data(), &Order);
    packMatrix(Format, Moved.data(), N, K, 0, panelCount(N), Expected.data());
    EXPECT_EQ(Packed, Expected) << "dimension " << Order.Dim;
  }
}

TEST_P(EveryFormat, FindsWhatIsNotFinite) {
  const BlockFormat &Format = *GetParam();
  constexpr int64_t N = 2, K = 1024;
  std::vector<uint8_t> Source = randomMatrix(Format, N, K);
  int64_t Blocks = N * K / Format.BlockElements;
  EXPECT_EQ(findNonFiniteBlock(Format, Source.data(), Blocks), std::nullopt);
  // All ones are a NaN in each kind of float.
  int64_t Size = Format.Quantized ? 2 : Format.BlockBytes;
  for (int64_t Half = std::max<int64_t>(Format.ScaleHalves, 1); Half-- > 0;) {
    int64_t Block = 6 - Half;
    uint8_t *Bad = Source.data() + Block * Format.BlockBytes + Format.ScaleOffset + 2 * Half;
    std::vector<uint8_t> Good(Bad, Bad + Size);
    std::fill(Bad, Bad + Size, 0xff);
    EXPECT_EQ(findNonFiniteBlock(Format, Source.data(), Blocks), Block);
    std::copy(Good.begin(), Good.end(), Bad);
  }
}

INSTANTIATE_TEST_SUITE_P(Packer, EveryFormat, testing::ValuesIn(allBlockFormats()),
                         [](const auto &Info) { return std::string(Info.param->Name); });

// What rows of unsigned integers need beside the weights; and the size of the last part is its own.
TEST(Bytes, SumsAreThoseOfTheRoundedWeights) {
  const BlockFormat &Format = *findBlockFormat("i8_f32");
  constexpr int64_t N = 3, K = 300;
  std::mt19937 Random(5);
  std::vector<float> Weights(N * K);
  for (float &Weight : Weights)
    Weight = std::ldexp(static_cast<float>(Random()), -33) - 0.2f;
  std::vector<uint8_t> Panel(packedPanelBytes(Format, K), 0xee);
  ASSERT_EQ(Panel.size(), 128u + 3 * 4224);
  packMatrix(Format, reinterpret_cast<const uint8_t *>(Weights.data()), N, K, 0, 1, Panel.data());
  for (int64_t Row = 0; Row < PanelRows; ++Row) {
    double Sum = 0;
    for (int64_t Col = 0; Col < 384; ++Col)
      Sum += double(readBytes(Panel.data(), Row, Col));
    EXPECT_NEAR(load<float>(Panel.data() + 4 * Row), Sum, 1e-4);
    EXPECT_EQ(Row < N, Sum != 0);
  }
  for (int64_t Col = K; Col < 384; ++Col)
    EXPECT_EQ(readBytes(Panel.data(), 0, Col), 0);
}

// Rows of equal weights take the most room, a row of one weight the largest integer.
TEST(Words, NoSumOfProductsLeavesInt32) {
  const BlockFormat &Format = *findBlockFormat("i16_f32");
  constexpr int64_t N = 4, GreatestElement = 4095;
  for (int64_t K : {2, 64, 1536, 65536}) {
    std::mt19937 Random(K);
    std::vector<float> Weights(N * K);
    for (int64_t Col = 0; Col < K; ++Col) {
      Weights[Col] = Col % 2 ? 0.3f : -0.3f;
      Weights[K + Col] = std::ldexp(static_cast<float>(Random()), -33) - 0.25f;
    }
    Weights[2 * K] = -7;
    std::vector<uint8_t> Panel(packedPanelBytes(Format, K), 0xee);
    packMatrix(Format, reinterpret_cast<const uint8_t *>(Weights.data()), N, K, 0, 1, Panel.data());
    for (int64_t Row = 0; Row < N; ++Row) {
      auto Scale = load<float>(Panel.data() + 4 * Row);
      int64_t Sum = 0;
      for (int64_t Col = 0; Col < K; ++Col) {
        int64_t Integer =
            load<int16_t>(Panel.data() + 128 + 128 * (Col / 2) + 4 * Row + Col % 2 * 2);
        EXPECT_LE(std::abs(double(Weights[Row * K + Col]) - double(Scale) * double(Integer)),
                  0.5000001 * double(Scale));
        Sum += std::abs(Integer);
      }
      EXPECT_LE(Sum * GreatestElement, std::numeric_limits<int32_t>::max());
      // No finer scale would do: the room is used, or the largest integer is.
      double Room = double(Sum * GreatestElement + 2 * K * GreatestElement) / 0x1p31;
      double Greatest = 0;
      for (int64_t Col = 0; Col < K; ++Col)
        Greatest = std::max(Greatest, std::abs(double(Weights[Row * K + Col])));
      if (Row < 3)
        EXPECT_GE(std::max(Room, Greatest / (32767.0 * double(Scale))), 0.99)
            << "row " << Row << " of " << K;
    }
    EXPECT_EQ(load<float>(Panel.data() + 12), 0.0f);
  }
}

TEST(Words, ARowOfNoNumberIsNone) {
  const BlockFormat &Format = *findBlockFormat("i16_f32");
  float Weights[] = {1, INFINITY, 2, 3};
  std::vector<uint8_t> Panel(packedPanelBytes(Format, 2));
  packMatrix(Format, reinterpret_cast<const uint8_t *>(Weights), 2, 2, 0, 1, Panel.data());
  EXPECT_TRUE(std::isnan(load<float>(Panel.data())));
  EXPECT_GT(load<float>(Panel.data() + 4), 0.0f);
}

class EveryFloat : public EveryFormat {};

TEST_P(EveryFloat, TakesAnyK) {
  for (int64_t K : {1, 2, 5, 33})
    checkMatrix(33, K);
}

INSTANTIATE_TEST_SUITE_P(Packer, EveryFloat,
                         testing::Values(findBlockFormat("f32"), findBlockFormat("f16"),
                                         findBlockFormat("bf16")),
                         [](const auto &Info) { return std::string(Info.param->Name); });

TEST(Packer, RefusesWhatIsNoOrder) {
  const BlockFormat &Blocks = *findBlockFormat("q8_0"), &Floats = *findBlockFormat("f32");
  std::vector<int32_t> Swapped(64), Rows = {2, 0, 1}, Twice = {0, 1, 1}, Beyond = {0, 1, 3},
                                    Below = {0, -1, 1};
  for (int32_t I = 0; I < 64; ++I)
    Swapped[I] = I ^ 32;
  EXPECT_TRUE(isPackOrder({Rows, 0}, Blocks, 3));
  EXPECT_TRUE(isPackOrder({Rows, 1}, Floats, 3));
  EXPECT_FALSE(isPackOrder({Rows, 0}, Blocks, 4));
  EXPECT_FALSE(isPackOrder({Twice, 0}, Blocks, 3));
  EXPECT_FALSE(isPackOrder({Beyond, 0}, Blocks, 3));
  EXPECT_FALSE(isPackOrder({Below, 0}, Blocks, 3));
  // Blocks of columns stay together.
  EXPECT_TRUE(isPackOrder({Swapped, 1}, Blocks, 64));
  std::swap(Swapped[0], Swapped[1]);
  EXPECT_FALSE(isPackOrder({Swapped, 1}, Blocks, 64));
  EXPECT_TRUE(isPackOrder({Swapped, 1}, Floats, 64));
  EXPECT_TRUE(isPackOrder({Swapped, 0}, Blocks, 64));
}

TEST(Packer, VectorsTakeAnOrder) {
  const float Source[] = {1, 2, 3};
  const int32_t Places[] = {2, 0, 1};
  PackOrder Order{Places, 0};
  float Packed[3];
  packVector(*findBlockFormat("f32"), reinterpret_cast<const uint8_t *>(Source), 3, Packed, &Order);
  EXPECT_EQ(Packed[0], 3);
  EXPECT_EQ(Packed[1], 1);
  EXPECT_EQ(Packed[2], 2);
}

TEST(Packer, MissingRowsOfQ8_0AreTheirZero) {
  const BlockFormat &Format = *findBlockFormat("q8_0");
  std::vector<uint8_t> Source = randomMatrix(Format, 1, 32);
  std::vector<uint8_t> Packed(packedMatrixBytes(Format, 1, 32), 0xee);
  packMatrix(Format, Source.data(), 1, 32, 0, 1, Packed.data());
  EXPECT_EQ(Packed[4], 0x80);
  EXPECT_EQ(Packed[1023], 0x80);
  EXPECT_EQ(Packed[1087], 0);
}

/// What a row's coarse product leaves out, against the certificate in front of its panel:
/// the residual norm of the worst block, and less than 1 % more.
void checkCertificates(const BlockFormat &Format, int64_t LowLevels) {
  constexpr int64_t N = 40, K = 640, Blocks = K / 32;
  std::vector<uint8_t> Source = randomMatrix(Format, N, K);
  // A row whose residuals are the greatest there are.
  for (int64_t I = 0; I < Blocks * 34; ++I)
    if (I % 34 >= 2)
      Source[I] = I % 2 ? 0x00 : 0xff;
  std::vector<uint8_t> Packed(packedMatrixBytes(Format, N, K), 0xee);
  packMatrix(Format, Source.data(), N, K, 0, panelCount(N), Packed.data());
  for (int64_t Row = 0; Row < N; ++Row) {
    double Worst = 0;
    for (int64_t Block = 0; Block < Blocks; ++Block) {
      double Sum = 0;
      for (int64_t I = 0; I < 32; ++I) {
        int Level = static_cast<int8_t>(Source[(Row * Blocks + Block) * 34 + 2 + I]);
        double Width = static_cast<double>(LowLevels);
        double Coarse = std::floor(Level / Width) * Width + (Width - 1) / 2;
        Sum += (Level - Coarse) * (Level - Coarse);
      }
      Worst = std::max(Worst, std::sqrt(Sum));
    }
    const uint8_t *Panel = Packed.data() + Row / 32 * packedPanelBytes(Format, K);
    auto Found = load<float>(Panel + 4 * (Row % 32));
    EXPECT_GT(Found, Worst) << "row " << Row;
    EXPECT_LT(Found, Worst * 1.01) << "row " << Row;
  }
}

TEST(Packer, CertificatesOfPlanesBoundTheResidual) {
  checkCertificates(*findBlockFormat("q8_0_planes4"), 16);
  checkCertificates(*findBlockFormat("q8_0_planes5"), 8);
}

TEST(Packer, OddKOfBF16EndsInZeros) {
  const BlockFormat &Format = *findBlockFormat("bf16");
  std::vector<uint8_t> Source = randomMatrix(Format, 32, 3);
  std::vector<uint8_t> Packed(packedMatrixBytes(Format, 32, 3), 0xee);
  packMatrix(Format, Source.data(), 32, 3, 0, 1, Packed.data());
  ASSERT_EQ(Packed.size(), 256u);
  for (int64_t Row = 0; Row < 32; ++Row)
    EXPECT_EQ(readBF16(Packed.data(), Row, 3), 0.0f);
}

} // namespace
