//===- Transposed.h - Panels of formats without blocks ----------*- C++ -*-===//

#ifndef LATHE_RUNTIME_FORMATS_BLOCKS_TRANSPOSED_H
#define LATHE_RUNTIME_FORMATS_BLOCKS_TRANSPOSED_H

#include "runtime/formats/BlockFormat.h"
#include "runtime/support/Unaligned.h"

#include <cstring>

namespace lathe::blocks {

/// Packs as [k][32] elements of type `Element`, whose zero is all bits zero.
template <typename Element>
void packTransposed(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                    uint8_t *Destination) {
  constexpr int64_t Size = sizeof(Element);
  if (Rows < PanelRows)
    std::memset(Destination, 0, static_cast<size_t>(KBlocks * PanelRows * Size));
  for (int64_t K = 0; K < KBlocks; ++K)
    for (int64_t Row = 0; Row < Rows; ++Row)
      store<Element>(Destination + (K * PanelRows + Row) * Size,
                     load<Element>(Source + Row * RowBytes + K * Size));
}

} // namespace lathe::blocks

#endif // LATHE_RUNTIME_FORMATS_BLOCKS_TRANSPOSED_H
