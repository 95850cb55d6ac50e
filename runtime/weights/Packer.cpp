//===- Packer.cpp - From a file's rows to panels --------------------------===//

#include "runtime/weights/Packer.h"

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
  int64_t PanelBytes = packedPanelBytes(Format, K), TailBytes = packedTailBytes(Format, K);
  uint8_t *Tails = Destination + panelCount(N) * PanelBytes;
  for (int64_t Panel = FirstPanel; Panel < LastPanel; ++Panel) {
    int64_t Row = Panel * PanelRows, Rows = std::min(PanelRows, N - Row);
    const uint8_t *From = Source + Row * RowBytes;
    Format.PackPanel(From, RowBytes, Rows, KBlocks, Destination + Panel * PanelBytes);
    if (Format.PackTail)
      Format.PackTail(From, RowBytes, Rows, KBlocks, Tails + Panel * TailBytes);
  }
}

void packVector(const BlockFormat &Format, const uint8_t *Source, int64_t Count,
                float *Destination) {
  assert(Count % Format.BlockElements == 0 && "a vector is not a whole number of blocks");
  Format.Dequantize(Source, Count / Format.BlockElements, Destination);
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
