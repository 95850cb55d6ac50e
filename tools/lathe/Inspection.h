//===- Inspection.h - What a model is and will need -------------*- C++ -*-===//
//
// The facts behind `lathe inspect`.  Only the header of the file is read; the
// sizes come from the manifest of its program.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_INSPECTION_H
#define LATHE_TOOLS_LATHE_INSPECTION_H

#include "tools/lathe/ModelSummary.h"

#include "runtime/formats/ModelFolder.h"
#include "runtime/session/MemoryNeed.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace lathe::cli {

/// A scalar of the metadata.
using Scalar = std::variant<std::string, int64_t, uint64_t, float, double, bool>;

struct HyperParameter {
  std::string Name; ///< Without the architecture: "block_count".
  Scalar Value;
};

/// The code in an artefact for one target.
struct CompiledCopy {
  std::string Target;
  uint64_t Bytes;
};

/// What an artefact carries of `lathe calibrate`, for a model that generates text.
struct CalibrationFacts {
  size_t Points;
  std::vector<int64_t> ExitLayers;
};

struct Inspection {
  std::string Path, Name, Architecture, ChatFormat, TokenizerModel, PreTokenizer;
  uint64_t FileBytes = 0, Parameters = 0, Tensors = 0, Tokens = 0;
  std::vector<HyperParameter> HyperParameters; ///< In the order of the file.
  std::map<std::string, TypeCount> Types;
  std::optional<MemoryNeed> Memory;      ///< Missing when there is no program.
  std::string Target, Precision, KVType; ///< Of the program.
  std::string Artefact;                  ///< Path; empty for a model file, as are the next.
  std::string Compiler, Weights;         ///< Weights: "embedded" or the path of their file.
  std::vector<CompiledCopy> Copies;
  std::optional<CalibrationFacts> Calibrated;
  std::vector<std::string> Labels; ///< Of the classifier in the artefact; empty without one.

  std::string text() const;
  std::string json() const;
};

/// What the file alone tells.
Inspection inspectFile(const GGUFFile &File);
/// The same of a folder: its configuration and its weights.
Inspection inspectFolder(const ModelFolder &Folder);

/// The same of a file that holds tensors and no model: its size, its tensors and
/// their types, as text or JSON.
std::string inspectTensors(const TensorFile &File, bool Json);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_INSPECTION_H
