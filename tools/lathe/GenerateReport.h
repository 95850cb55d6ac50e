//===- GenerateReport.h - What lathe calibrate tells and writes -*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_GENERATEREPORT_H
#define LATHE_TOOLS_LATHE_GENERATEREPORT_H

#include "runtime/adaptive/Calibration.h"
#include "runtime/adaptive/ExitCalibration.h"
#include "runtime/adaptive/NeuronOrder.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe::cli {

/// All that was measured of a model that generates text.
struct GenerateFindings {
  std::string HeaderHash; ///< Calibration::HeaderHash.
  DepthRule Rule;
  std::vector<DepthPoint> Depths;
  std::optional<FittedExits> Exits;
  NeuronOrder Neurons; ///< Empty: that of the model's file.
  std::vector<DepthPoint> Widths;
};

/// The tables for people.
std::string generateTables(const GenerateFindings &Found);

/// What Calibration::parse reads, and more of what was measured.
std::string generateJson(const GenerateFindings &Found);

/// A calibration file with that text, and the tensors of what was found.
std::vector<uint8_t> calibrationBytes(const std::string &Json, const GenerateFindings &Found);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_GENERATEREPORT_H
