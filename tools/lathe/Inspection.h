//===- Inspection.h - What a model is and will need -------------*- C++ -*-===//
//
// The facts behind `lathe inspect`.  Only the header of the file is read; the
// sizes come from the manifest of its program.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_INSPECTION_H
#define LATHE_TOOLS_LATHE_INSPECTION_H

#include "tools/lathe/ModelSummary.h"

#include "runtime/session/Manifest.h"

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

/// Bytes that a session takes; see MemoryReport.
struct MemoryNeed {
  uint64_t Context = 0; ///< Positions, rounded up to 256.
  uint64_t Weights = 0, KV = 0, Arena = 0, ScratchPerWorker = 0;
};

struct Inspection {
  std::string Path, Name, Architecture, ChatFormat, TokenizerModel, PreTokenizer;
  uint64_t FileBytes = 0, Parameters = 0, Tensors = 0, Tokens = 0;
  std::vector<HyperParameter> HyperParameters; ///< In the order of the file.
  std::map<std::string, TypeCount> Types;
  std::optional<MemoryNeed> Memory; ///< Missing when there is no program.
  std::string Target, Precision;    ///< Of the program.

  std::string text() const;
  std::string json() const;
};

/// What the file alone tells.
Inspection inspectFile(const GGUFFile &File);

/// What a session of `Context` positions on `Code` takes; `Context` = 0: the
/// model's own.
MemoryNeed memoryNeed(const Manifest &Code, uint64_t Context);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_INSPECTION_H
