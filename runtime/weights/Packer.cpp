//===- Packer.cpp - From a file's rows to panels --------------------------===//

#include "runtime/weights/Packer.h"

#include "runtime/support/Unaligned.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

namespace lathe {

bool isPackOrder(const PackOrder &Order, const BlockFormat &Format, int64_t Size) {
  if (static_cast<int64_t>(Order.Places.size()) != Size)
    return false;
  std::vector<bool> Seen(static_cast<size_t>(Size));
  int64_t Together = Order.Dim == 0 ? 1 : Format.BlockElements;
  for (int64_t I = 0; I < Size; ++I) {
    int64_t Place = Order.Places[I];
    if (Place < 0 || Place >= Size || Seen[Place] || Place % Together != I % Together ||
        (I % Together != 0 && Place != Order.Places[I - 1] + 1))
      return false;
    Seen[Place] = true;
  }
  return true;
}

/// Row `Row` of what is packed, from rows of `KBlocks` blocks.
static void gatherRow(const BlockFormat &Format, const uint8_t *Source, int64_t KBlocks,
                      const PackOrder &Order, int64_t Row, uint8_t *To) {
  int64_t RowBytes = KBlocks * Format.BlockBytes;
  if (Order.Dim == 0) {
    std::copy_n(Source + Order.Places[Row] * RowBytes, RowBytes, To);
    return;
  }
  for (int64_t Block = 0; Block < KBlocks; ++Block) {
    int64_t From = Order.Places[Block * Format.BlockElements] / Format.BlockElements;
    std::copy_n(Source + Row * RowBytes + From * Format.BlockBytes, Format.BlockBytes,
                To + Block * Format.BlockBytes);
  }
}

void packMatrix(const BlockFormat &Format, const uint8_t *Source, int64_t N, int64_t K,
                int64_t FirstPanel, int64_t LastPanel, uint8_t *Destination,
                const PackOrder *Order) {
  assert(K % Format.BlockElements == 0 && "a row is not a whole number of blocks");
  assert(FirstPanel >= 0 && LastPanel <= panelCount(N) && "panels outside the matrix");
  int64_t KBlocks = K / Format.BlockElements;
  int64_t RowBytes = KBlocks * Format.BlockBytes;
  int64_t PanelBytes = packedPanelBytes(Format, K), TailBytes = packedTailBytes(Format, K);
  uint8_t *Tails = Destination + panelCount(N) * PanelBytes;
  std::vector<uint8_t> Gathered(Order ? static_cast<size_t>(PanelRows * RowBytes) : 0);
  for (int64_t Panel = FirstPanel; Panel < LastPanel; ++Panel) {
    int64_t Row = Panel * PanelRows, Rows = std::min(PanelRows, N - Row);
    const uint8_t *From = Order ? Gathered.data() : Source + Row * RowBytes;
    for (int64_t I = 0; Order && I < Rows; ++I)
      gatherRow(Format, Source, KBlocks, *Order, Row + I, Gathered.data() + I * RowBytes);
    Format.PackPanel(From, RowBytes, Rows, KBlocks, Destination + Panel * PanelBytes);
    if (Format.PackTail)
      Format.PackTail(From, RowBytes, Rows, KBlocks, Tails + Panel * TailBytes);
  }
}

void packVector(const BlockFormat &Format, const uint8_t *Source, int64_t Count, float *Destination,
                const PackOrder *Order) {
  assert(Count % Format.BlockElements == 0 && "a vector is not a whole number of blocks");
  Format.Dequantize(Source, Count / Format.BlockElements, Destination);
  if (!Order)
    return;
  std::vector<float> InFile(Destination, Destination + Count);
  for (int64_t I = 0; I < Count; ++I)
    Destination[I] = InFile[Order->Places[I]];
}

static constexpr uint16_t HalfExponent = 0x7c00;

/// The bits that are all ones in a 16-bit float that is not finite.
static uint16_t exponentOf16Bits(const BlockFormat &Format) {
  constexpr uint16_t BFloatExponent = 0x7f80;
  // The infinity of f16 is a finite number of bf16.
  float Probe;
  Format.Dequantize(reinterpret_cast<const uint8_t *>(&HalfExponent), 1, &Probe);
  return std::isinf(Probe) ? HalfExponent : BFloatExponent;
}

/// The first of `Count` words, `Stride` bytes apart, with all bits of `Exponent`.
template <typename Word>
static std::optional<int64_t> findExponent(const uint8_t *Source, int64_t Stride, int64_t Count,
                                           Word Exponent) {
  // Whole strips without a branch: this runs over every weight that is loaded.
  constexpr int64_t Strip = 64;
  for (int64_t First = 0; First < Count; First += Strip) {
    int64_t Last = std::min(First + Strip, Count);
    bool Any = false;
    for (int64_t I = First; I < Last; ++I)
      Any |= (load<Word>(Source + I * Stride) & Exponent) == Exponent;
    for (int64_t I = First; Any && I < Last; ++I)
      if ((load<Word>(Source + I * Stride) & Exponent) == Exponent)
        return I;
  }
  return std::nullopt;
}

std::optional<int64_t> findNonFiniteBlock(const BlockFormat &Format, const uint8_t *Source,
                                          int64_t Blocks) {
  if (!Format.Quantized && Format.BlockBytes == sizeof(float))
    return findExponent<uint32_t>(Source, sizeof(float), Blocks, 0x7f800000);
  if (!Format.Quantized)
    return findExponent<uint16_t>(Source, sizeof(uint16_t), Blocks, exponentOf16Bits(Format));
  std::optional<int64_t> First;
  for (int64_t Half = 0; Half < Format.ScaleHalves; ++Half)
    if (std::optional<int64_t> Found =
            findExponent<uint16_t>(Source + Format.ScaleOffset + 2 * Half, Format.BlockBytes,
                                   First.value_or(Blocks), HalfExponent))
      First = Found;
  return First;
}

} // namespace lathe
