//===- Half.h - 16-bit floats in 32 bits ------------------------*- C++ -*-===//
//
// In integer arithmetic, so that the result does not depend on the compiler's
// target or its float environment.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_HALF_H
#define LATHE_RUNTIME_SUPPORT_HALF_H

#include <bit>
#include <cstdint>

namespace lathe {

/// IEEE 754 binary16; exact.
inline float halfToFloat(uint16_t Half) {
  uint32_t Sign = static_cast<uint32_t>(Half & 0x8000) << 16;
  uint32_t Exponent = Half >> 10 & 31;
  uint32_t Fraction = Half & 0x3ff;
  if (Exponent == 0) {
    // Zero or subnormal: Fraction * 2^-24, which f32 holds exactly.
    float Magnitude = static_cast<float>(Fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(Magnitude) | Sign);
  }
  uint32_t Wide = Exponent == 31 ? 255 : Exponent + 112;
  return std::bit_cast<float>(Sign | Wide << 23 | Fraction << 13);
}

/// The upper half of a binary32; exact.
inline float bfloatToFloat(uint16_t Upper) {
  return std::bit_cast<float>(static_cast<uint32_t>(Upper) << 16);
}

/// The nearest, of two the even one; of a finite number.
inline uint16_t floatToBfloat(float Value) {
  uint32_t Bits = std::bit_cast<uint32_t>(Value);
  return static_cast<uint16_t>((Bits + 0x7fff + (Bits >> 16 & 1)) >> 16);
}

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_HALF_H
