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

#include <cstdint>
#include <optional>
#include <span>
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

  /// The same for its bytes, of which nothing is kept.
  static std::optional<ClassifierFile> read(std::span<const uint8_t> Bytes,
                                            const std::string &Where, Diagnostics &Diags);

  /// The same for a file; also the errors of MappedFile::open.
  static std::optional<ClassifierFile> open(const std::string &Path, Diagnostics &Diags);

  /// False when it is not for this encoder: E0844 another model.
  bool checkModel(const Encoder &Model, const std::string &Where, Diagnostics &Diags) const;

  /// The same ahead of loading it; heads of another shape are not seen.
  bool checkModel(const ModelFolder &Model, const std::string &Where, Diagnostics &Diags) const;
};

/// The numbers, with blanks between: the shortest digits that read back as the same.
std::string numbersText(const std::vector<float> &Numbers);

} // namespace lathe

#endif // LATHE_RUNTIME_CLASSIFY_CLASSIFIERFILE_H
