//===- StepTimes.h - What a step of several rows costs ----------*- C++ -*-===//
//
// Measured while decoding: T(M), the time of a step of M rows.  The machine's
// speed changes and other processes get in between, so medians of the latest
// steps count, and steps of several rows are held against the plain steps around
// them.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_STEPTIMES_H
#define LATHE_RUNTIME_ADAPTIVE_STEPTIMES_H

#include <array>
#include <cstdint>

namespace lathe {

class StepTimes {
public:
  static constexpr int64_t MaxRows = 8;
  /// What a row more is taken to cost, relative to a plain step, before it was
  /// measured: the verify kernels' slope on an AVX2 machine (docs/speculation.md).
  static constexpr double AssumedSlope = 0.2;

  /// A step of `Rows` rows, 1 to MaxRows, took `Seconds`, above 0.
  void record(int64_t Rows, double Seconds);

  /// Whether plain steps were measured, which all else is held against.  The first
  /// is slow, as all is cold, and does not count alone.
  bool hasBase() const { return Base.Count > 1; }
  /// Whether steps of `Rows` rows were measured.
  bool hasMeasured(int64_t Rows) const { return Relative[Rows - 1].Count > 0; }
  /// T(1) in seconds; 0 before it was measured.
  double base() const { return Base.median(0, 0); }
  /// T(Rows) / T(1): measured, or between the nearest measured ones, or a row's
  /// assumed cost above the largest.  Two steps as slow as assumed count beside the
  /// first measured ones, so that one that was slow by accident does not.
  double relative(int64_t Rows) const;

private:
  /// The latest few values.
  struct Window {
    static constexpr int64_t Size = 7;
    std::array<double, Size> Values = {};
    int64_t Count = 0; ///< Of all times.
    void add(double Value) { Values[Count++ % Size] = Value; }
    /// Of the values and `Copies` of `Assumed`, as far as there is room for those;
    /// the lower of two in the middle.
    double median(int64_t Copies, double Assumed) const;
  };

  static double assumed(int64_t Rows) { return 1 + AssumedSlope * static_cast<double>(Rows - 1); }
  double measured(int64_t Rows) const { return Relative[Rows - 1].median(2, assumed(Rows)); }

  Window Base;
  std::array<Window, MaxRows> Relative; ///< By rows - 1; the first stays empty.
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_STEPTIMES_H
