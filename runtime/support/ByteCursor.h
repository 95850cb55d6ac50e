//===- ByteCursor.h - A place in bytes that cannot pass the end -*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_BYTECURSOR_H
#define LATHE_RUNTIME_SUPPORT_BYTECURSOR_H

#include "runtime/support/Unaligned.h"

#include <cstdint>
#include <span>

namespace lathe {

/// Reads untrusted bytes in order.  A read that does not fit gives false and
/// moves nothing.
class ByteCursor {
public:
  explicit ByteCursor(std::span<const uint8_t> Bytes) : Bytes(Bytes) {}

  uint64_t position() const { return Position; }
  uint64_t remaining() const { return Bytes.size() - Position; }

  template <typename T> bool read(T &Value) {
    if (remaining() < sizeof(T))
      return false;
    Value = load<T>(Bytes.data() + Position);
    Position += sizeof(T);
    return true;
  }

  bool take(uint64_t Count, std::span<const uint8_t> &Taken) {
    if (Count > remaining())
      return false;
    Taken = Bytes.subspan(Position, Count);
    Position += Count;
    return true;
  }

  /// The bytes between two positions that have been passed.
  std::span<const uint8_t> between(uint64_t Begin, uint64_t End) const {
    return Bytes.subspan(Begin, End - Begin);
  }

private:
  std::span<const uint8_t> Bytes;
  uint64_t Position = 0;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_BYTECURSOR_H
