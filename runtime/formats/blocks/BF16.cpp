//===- BF16.cpp - The upper half of a binary32 ----------------------------===//
//
// Panel: [k / 2][32][2] bfloats, the even k first: a pair of k is one operand
// of a bf16 dot product.  64 bytes per k; an odd K is filled up with one k of
// zeros, so that its panel has (K + 1) * 64 bytes.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/BlockFormat.h"
#include "runtime/support/Half.h"
#include "runtime/support/Unaligned.h"

#include <cstring>

namespace lathe {
namespace {

void dequantize(const uint8_t *Source, int64_t Blocks, float *Destination) {
  for (int64_t I = 0; I < Blocks; ++I)
    Destination[I] = bfloatToFloat(load<uint16_t>(Source + 2 * I));
}

void packPanel(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
               uint8_t *Destination) {
  constexpr int64_t PairBytes = 4;
  int64_t Pairs = KBlocks / 2;
  if (Rows < PanelRows)
    std::memset(Destination, 0, static_cast<size_t>((KBlocks + 1) / 2 * PanelRows * PairBytes));
  for (int64_t Pair = 0; Pair < Pairs; ++Pair)
    for (int64_t Row = 0; Row < Rows; ++Row)
      store<uint32_t>(Destination + (Pair * PanelRows + Row) * PairBytes,
                      load<uint32_t>(Source + Row * RowBytes + Pair * PairBytes));
  if (KBlocks % 2 == 0)
    return;
  for (int64_t Row = 0; Row < Rows; ++Row)
    store<uint32_t>(Destination + (Pairs * PanelRows + Row) * PairBytes,
                    load<uint16_t>(Source + Row * RowBytes + Pairs * PairBytes));
}

constexpr BlockFormat Format = {
    .Name = "bf16",
    .GGUFType = 30,
    .BlockElements = 1,
    .BlockBytes = 2,
    .Quantized = false,
    .ScaleHalves = 0,
    .ScaleOffset = 0,
    .PanelBlockBytes = 2 * PanelRows,
    .PanelBlockMultiple = 2,
    .Dequantize = dequantize,
    .PackPanel = packPanel,
};

const BlockFormatRegistration Registration(Format);

} // namespace
} // namespace lathe
