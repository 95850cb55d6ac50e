//===- Packer.cpp - From a file's rows to panels --------------------------===//

#include "runtime/weights/Packer.h"

#include "runtime/support/Half.h"
#include "runtime/support/Unaligned.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace lathe {

void packMatrix(const BlockFormat &Format, const uint8_t *Source, int64_t N, int64_t K,
                int64_t FirstPanel, int64_t LastPanel, uint8_t *Destination) {
  assert(K % Format.BlockElements == 0 && "a row is not a whole number of blocks");
  assert(FirstPanel >= 0 && LastPanel <= panelCount(N) && "panels outside the matrix");
  int64_t KBlocks = K / Format.BlockElements;
  int64_t RowBytes = KBlocks * Format.BlockBytes;
  int64_t PanelBytes = packedPanelBytes(Format, K);
  for (int64_t Panel = FirstPanel; Panel < LastPanel; ++Panel) {
    int64_t Row = Panel * PanelRows;
    Format.PackPanel(Source + Row * RowBytes, RowBytes, std::min(PanelRows, N - Row), KBlocks,
                     Destination + Panel * PanelBytes);
  }
}

void packVector(const BlockFormat &Format, const uint8_t *Source, int64_t Count,
                float *Destination) {
  assert(Count % Format.BlockElements == 0 && "a vector is not a whole number of blocks");
  Format.Dequantize(Source, Count / Format.BlockElements, Destination);
}

std::optional<int64_t> findNonFiniteBlock(const BlockFormat &Format, const uint8_t *Source,
                                          int64_t Blocks) {
  for (int64_t Block = 0; Block < Blocks; ++Block, Source += Format.BlockBytes) {
    bool Finite = true;
    for (int64_t Half = 0; Half < Format.ScaleHalves; ++Half)
      Finite &= std::isfinite(halfToFloat(load<uint16_t>(Source + 2 * Half)));
    if (!Format.Quantized) {
      float Weight;
      Format.Dequantize(Source, 1, &Weight);
      Finite = std::isfinite(Weight);
    }
    if (!Finite)
      return Block;
  }
  return std::nullopt;
}

} // namespace lathe
