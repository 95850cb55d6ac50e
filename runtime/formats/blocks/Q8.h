//===- Q8.h - Blocks of Q8_0 in files ---------------------------*- C++ -*-===//
//
// Block, 34 bytes: f16 d, then 32 signed bytes q; weight = d * q.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_BLOCKS_Q8_H
#define LATHE_RUNTIME_FORMATS_BLOCKS_Q8_H

#include "runtime/formats/BlockFormat.h"
#include "runtime/support/Half.h"
#include "runtime/support/Unaligned.h"

namespace lathe::blocks::q8 {

inline constexpr int64_t Elements = 32;
inline constexpr int64_t BlockBytes = 2 + Elements;

/// Four quants as the file has them, plus 128.
inline uint32_t biasedQuad(const uint8_t *Quants) { return load<uint32_t>(Quants) ^ 0x80808080; }

inline void dequantize(const uint8_t *Source, int64_t Blocks, float *Destination) {
  for (int64_t Block = 0; Block < Blocks; ++Block) {
    float Scale = halfToFloat(load<uint16_t>(Source));
    for (int64_t I = 0; I < Elements; ++I)
      Destination[I] = Scale * static_cast<float>(static_cast<int8_t>(Source[2 + I]));
    Source += BlockBytes;
    Destination += Elements;
  }
}

} // namespace lathe::blocks::q8

#endif // LATHE_RUNTIME_FORMATS_BLOCKS_Q8_H
