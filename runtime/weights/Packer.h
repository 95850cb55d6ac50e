//===- Packer.h - From a file's rows to panels ------------------*- C++ -*-===//
//
// Weights are packed once, when a model is loaded, into panels of 32 output
// rows (docs/layouts.md); all K of a panel are contiguous, and panel p starts
// at p * packedPanelBytes.  Where panels have tails, these follow all panels in
// the same order.  Each format tells its layout in runtime/formats/blocks/.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_WEIGHTS_PACKER_H
#define LATHE_RUNTIME_WEIGHTS_PACKER_H

#include "runtime/formats/BlockFormat.h"

#include <cstdint>
#include <optional>
#include <span>

namespace lathe {

/// Raised when any format packs its panels in another way, so that packed weights on
/// the disk are not found any more.
inline constexpr int64_t PackedLayoutVersion = 2;

/// Panels of a matrix of `N` rows.
constexpr int64_t panelCount(int64_t N) { return (N + PanelRows - 1) / PanelRows; }

/// Bytes of a whole packed matrix of `N` rows and `K` columns.
constexpr int64_t packedMatrixBytes(const BlockFormat &Format, int64_t N, int64_t K) {
  return panelCount(N) * (packedPanelBytes(Format, K) + packedTailBytes(Format, K));
}

/// The order in which rows, or what is in them, are packed.
struct PackOrder {
  std::span<const int32_t> Places; ///< What comes at place i is at Places[i] in the source.
  int64_t Dim = 0;                 ///< 0: rows.  1: columns, of which blocks stay together.
};

/// Whether the places are a permutation of `Size`; of columns, one that keeps every block of
/// `Format` together.
bool isPackOrder(const PackOrder &Order, const BlockFormat &Format, int64_t Size);

/// Packs the panels FirstPanel <= p < LastPanel of the [N, K] matrix at
/// `Source`, N * K / BlockElements * BlockBytes bytes, row after row.  K is a
/// multiple of BlockElements.  `Destination` is the start of the whole packed
/// matrix, whichever panels are asked for.  Different ranges may be packed by
/// different threads at the same time.  `Order` may be null: that of the source.
void packMatrix(const BlockFormat &Format, const uint8_t *Source, int64_t N, int64_t K,
                int64_t FirstPanel, int64_t LastPanel, uint8_t *Destination,
                const PackOrder *Order = nullptr);

/// Dequantises `Count` elements, a multiple of BlockElements, to f32.
void packVector(const BlockFormat &Format, const uint8_t *Source, int64_t Count, float *Destination,
                const PackOrder *Order = nullptr);

/// The first of `Blocks` blocks with a scale (or, in a format without blocks, a
/// weight) that is infinite or not a number; the weights of all others are
/// finite.
std::optional<int64_t> findNonFiniteBlock(const BlockFormat &Format, const uint8_t *Source,
                                          int64_t Blocks);

} // namespace lathe

#endif // LATHE_RUNTIME_WEIGHTS_PACKER_H
