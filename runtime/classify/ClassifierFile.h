//===- ClassifierFile.h - A classifier that was calibrated ------*- C++ -*-===//
//
// What `lathe calibrate --task classify` writes (docs/encoders.md): the heads of an
// encoder, and where a text may leave it.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_CLASSIFY_CLASSIFIERFILE_H
#define LATHE_RUNTIME_CLASSIFY_CLASSIFIERFILE_H

#include "runtime/classify/ExitHeads.h"
#include "runtime/session/Encoder.h"
#include "runtime/support/Diagnostics.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

struct ClassifierFile {
  static constexpr int64_t Version = 1;

  std::string ModelHash; ///< ModelFolder::contentHash of the encoder.
  std::vector<std::string> Labels;
  Pooling Pool = Pooling::Mean;
  int64_t MaxTokens = 0; ///< Of a text that are read.
  float Threshold = 2;   ///< Margin from which on a text leaves.
  std::string Refused;   ///< Why there are no exits; empty where there are.
  /// Those of the exits, and last that of the last depth; depths follow one another.
  std::vector<ExitHead> Heads;

  int64_t firstExit() const { return Heads.front().Depth; }

  /// Reads such a file.  Nullopt with E0843; `Where` names it.
  static std::optional<ClassifierFile> parse(std::string_view Text, const std::string &Where,
                                             Diagnostics &Diags);

  /// False when it is not for this encoder: E0844 another model.
  bool checkModel(const Encoder &Model, const std::string &Where, Diagnostics &Diags) const;
};

/// The text of such a file, to be carried beside the model in the folder `Model`.  Nullopt on
/// error: those of ModelFolder::open and MappedFile::open, E0843, E0844.
std::optional<std::string> readClassifierFor(const std::string &Model, const std::string &Path,
                                             Diagnostics &Diags);

/// The numbers, with blanks between: the shortest digits that read back as the same.
std::string numbersText(const std::vector<float> &Numbers);

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_CLASSIFIERFILE_H
