//===- CheckedMath.h - Arithmetic that says when it overflows ---*- C++ -*-===//
//
// Every size that comes from a file goes through these: null instead of a
// wrapped result.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_CHECKEDMATH_H
#define LATHE_RUNTIME_SUPPORT_CHECKEDMATH_H

#include <bit>
#include <concepts>
#include <optional>
#include <utility>

namespace lathe {

template <std::integral T>
constexpr std::optional<T> checkedAdd(T Left, std::type_identity_t<T> Right) {
  T Result;
  if (__builtin_add_overflow(Left, Right, &Result))
    return std::nullopt;
  return Result;
}

template <std::integral T>
constexpr std::optional<T> checkedMul(T Left, std::type_identity_t<T> Right) {
  T Result;
  if (__builtin_mul_overflow(Left, Right, &Result))
    return std::nullopt;
  return Result;
}

/// The smallest multiple of `Alignment` that is not below `Value`; null also
/// when `Alignment` is not a power of two.
template <std::unsigned_integral T>
constexpr std::optional<T> checkedAlign(T Value, std::type_identity_t<T> Alignment) {
  if (!std::has_single_bit(Alignment))
    return std::nullopt;
  std::optional<T> Raised = checkedAdd<T>(Value, Alignment - 1);
  if (!Raised)
    return std::nullopt;
  return *Raised & ~static_cast<T>(Alignment - 1);
}

/// `Value` as a `To`, null when it does not fit.
template <std::integral To, std::integral From> constexpr std::optional<To> narrow(From Value) {
  if (!std::in_range<To>(Value))
    return std::nullopt;
  return static_cast<To>(Value);
}

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_CHECKEDMATH_H
