//===- Random.h - Numbers drawn from a seed ---------------------*- C++ -*-===//

#ifndef LATHE_COMPILER_REFERENCE_RANDOM_H
#define LATHE_COMPILER_REFERENCE_RANDOM_H

#include <cstdint>

namespace lathe::compiler {

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers on every machine
/// and with every standard library.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}

  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  /// One of first..last.
  int64_t draw(int64_t first, int64_t last) { return first + next() % (last - first + 1); }
  bool chance(unsigned percent) { return next() % 100 < percent; }
  /// Between -1 and 1.
  float real() { return static_cast<float>(static_cast<int64_t>(next()) >> 40) / (1 << 23); }

private:
  uint64_t state;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_RANDOM_H
