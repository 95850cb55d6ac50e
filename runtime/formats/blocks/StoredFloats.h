//===- StoredFloats.h - Floats that are packed as integers ------*- C++ -*-===//
//
// What packings of f32, f16 and bf16 as integers share (Words.cpp, Bytes.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_BLOCKS_STOREDFLOATS_H
#define LATHE_RUNTIME_FORMATS_BLOCKS_STOREDFLOATS_H

#include "runtime/formats/BlockFormat.h"
#include "runtime/support/Half.h"
#include "runtime/support/Unaligned.h"

namespace lathe {

/// Floats that are stored as `Element`.
template <typename Element, float (*Read)(Element)> struct StoredFloats {
  static float readAt(const uint8_t *Row, int64_t K) {
    return Read(load<Element>(Row + K * static_cast<int64_t>(sizeof(Element))));
  }

  static void dequantize(const uint8_t *Source, int64_t Blocks, float *Destination) {
    for (int64_t K = 0; K < Blocks; ++K)
      Destination[K] = readAt(Source, K);
  }

  /// The format of integers of `Bits` bits, without what is said about panels.
  static constexpr BlockFormat describe(std::string_view Name, std::string_view File, uint32_t Type,
                                        int64_t Bits) {
    return {
        .Name = Name,
        .GGUFType = Type,
        .BlockElements = 1,
        .BlockBytes = sizeof(Element),
        .Quantized = false,
        .ScaleHalves = 0,
        .ScaleOffset = 0,
        .PanelBlockBytes = 0,
        .PanelBlockMultiple = 1,
        .Dequantize = dequantize,
        .PackPanel = nullptr,
        .PackingOf = File,
        .RoundedBits = Bits,
    };
  }
};

inline float readFloat(float Number) { return Number; }
using StoredF32 = StoredFloats<float, readFloat>;
using StoredF16 = StoredFloats<uint16_t, halfToFloat>;
using StoredBF16 = StoredFloats<uint16_t, bfloatToFloat>;

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_BLOCKS_STOREDFLOATS_H
