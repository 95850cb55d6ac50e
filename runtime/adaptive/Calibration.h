//===- Calibration.h - What was measured of a model's parts -----*- C++ -*-===//
//
// A calibration file (docs/adaptive.md) lists parts of one model with what each of
// them costs and how far it agrees with the whole.  A run chooses one of them.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_CALIBRATION_H
#define LATHE_RUNTIME_ADAPTIVE_CALIBRATION_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// A part of a model that a run can choose.
struct OperatingPoint {
  std::string Skip;     ///< As `--skip` takes it; empty: the whole model.
  double Time = 1;      ///< Of a step, relative to the whole model; above 0.
  double Agreement = 1; ///< At least so many answers are the whole model's; 0 to 1.
  std::string Refused;  ///< Why it is never chosen; empty: it may be.
};

/// What a run asks for.
struct PointChoice {
  double Budget = 1;  ///< Most time, relative to the whole model.
  double Quality = 0; ///< Least agreement.
};

struct Calibration {
  static constexpr int64_t Version = 1;

  std::string HeaderHash; ///< hexText(hashBlocks(GGUFFile::headerBytes())) of the model.
  std::vector<OperatingPoint> Points;

  /// Reads a calibration file.  Nullopt with E0843; `Where` names it.
  static std::optional<Calibration> parse(std::string_view Text, const std::string &Where,
                                          Diagnostics &Diags);

  /// E0844, and false, when it was made for another model than the one with that header.
  bool checkModel(std::span<const uint8_t> Header, const std::string &Where,
                  Diagnostics &Diags) const;

  /// The point, or the whole model, that agrees most among those that meet `Wanted`; of
  /// equals the fastest.  Nullopt with E0845 when there is none.
  std::optional<OperatingPoint> choose(const PointChoice &Wanted, const std::string &Where,
                                       Diagnostics &Diags) const;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_CALIBRATION_H
