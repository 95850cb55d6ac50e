//===- Unaligned.h - Little-endian values anywhere in memory ----*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_UNALIGNED_H
#define LATHE_RUNTIME_SUPPORT_UNALIGNED_H

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace lathe {

static_assert(std::endian::native == std::endian::little,
              "model files and packed panels are little-endian");

template <typename T> T load(const uint8_t *Source) {
  static_assert(std::is_trivially_copyable_v<T>);
  T Value;
  std::memcpy(&Value, Source, sizeof(T));
  return Value;
}

template <typename T> void store(uint8_t *Destination, std::type_identity_t<T> Value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(Destination, &Value, sizeof(T));
}

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_UNALIGNED_H
