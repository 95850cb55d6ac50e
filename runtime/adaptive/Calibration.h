//===- Calibration.h - What was measured of a model's parts -----*- C++ -*-===//
//
// A calibration file (docs/adaptive.md) lists parts of one model, and ways to leave it
// early, with what each of them costs and how far it agrees with the whole.  A run
// chooses one of them.  The file is one of safetensors: the list is a text of its metadata, as
// JSON, and its tensors are the weights of exits.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_CALIBRATION_H
#define LATHE_RUNTIME_ADAPTIVE_CALIBRATION_H

#include "runtime/formats/TensorFile.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// A part of a model that a run can choose.
struct OperatingPoint {
  std::string Skip;      ///< As `--skip` takes it; empty: all layers.
  double Time = 1;       ///< Of a step, relative to the whole model; above 0.
  double Agreement = 1;  ///< At least so many answers are the whole model's; 0 to 1.
  std::string Refused;   ///< Why it is never chosen; empty: it may be.
  std::string Exit = {}; ///< As `--exit` takes it; empty: never.
};

/// What a run asks for.
struct PointChoice {
  double Budget = 1;  ///< Most time, relative to the whole model.
  double Quality = 0; ///< Least agreement.
};

struct Calibration {
  static constexpr int64_t Version = 2;
  /// What programs call the file of the weights of exits.
  static constexpr const char *FileName = "calibration";

  /// The text of the file's metadata that says all but tensors.
  static constexpr const char *MetadataName = "lathe_calibration";

  std::string HeaderHash; ///< hexText(hashBlocks(GGUFFile::headerBytes())) of the model.
  std::vector<OperatingPoint> Points;
  std::vector<int64_t> ExitLayers;                  ///< Behind which there is an exit; ascending.
  int64_t ExitRank = 0;                             ///< Of their lenses; 0: that of the width.
  std::shared_ptr<const TensorFile> File = nullptr; ///< What `open` has opened.

  /// Opens a calibration file.  Nullopt with E0843, and the errors of MappedFile::open.
  static std::optional<Calibration> open(const std::string &Path, Diagnostics &Diags);

  /// The same for the bytes of one, which must live as long as `File`; `Where` names them.
  static std::optional<Calibration> read(std::span<const uint8_t> Bytes, const std::string &Where,
                                         Diagnostics &Diags);

  /// The pass that writes the exits into a model, as `--passes` takes it; empty where there
  /// are none.
  std::string passes() const;

  /// Reads the text of a file's metadata.  Nullopt with E0843; `Where` names the file.
  static std::optional<Calibration> parse(std::string_view Text, const std::string &Where,
                                          Diagnostics &Diags);

  /// E0844, and false, when it was made for another model than the one with that header.
  bool checkModel(std::span<const uint8_t> Header, const std::string &Where,
                  Diagnostics &Diags) const;

  /// The points whose exit is `Exit`: one, or none.
  std::vector<OperatingPoint> find(const std::string &Exit) const;

  /// The whole model and the thresholds that were not refused and agree at least `Quality`, the
  /// highest first, and in `Exit` the thresholds as `--exit` takes them.  Empty with E0845
  /// when there is none.
  std::vector<OperatingPoint> thresholds(double Quality, std::string &Exit,
                                         const std::string &Where, Diagnostics &Diags) const;

  /// The point, or the whole model, that agrees most among those that meet `Wanted`; of
  /// equals the fastest.  Nullopt with E0845 when there is none.
  std::optional<OperatingPoint> choose(const PointChoice &Wanted, const std::string &Where,
                                       Diagnostics &Diags) const;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_CALIBRATION_H
