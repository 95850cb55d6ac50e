//===- ExitMeter.h - Rows inside a model, and what they say -----*- C++ -*-===//
//
// Runs the two parts of a model that the pass lathe-split-head makes: its stack of
// layers, up to any of them, and its output head.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_EXITMETER_H
#define LATHE_RUNTIME_ADAPTIVE_EXITMETER_H

#include "runtime/adaptive/FitExit.h"
#include "runtime/adaptive/OwnWords.h"
#include "runtime/session/Model.h"
#include "runtime/session/TensorFunction.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe {

/// What the head says of rows.
struct SaidTokens {
  std::vector<int32_t> Likeliest;
  std::vector<double> Loss; ///< -log p(the token that followed).
};

class ExitMeter {
public:
  /// Of the model file at `Path`, compiled as `Wanted` says; texts have at most `Longest`
  /// tokens.  `GoOn` is asked between parts of all work; when it is false, it has told the
  /// error.  Null on error: those of Model::load and TensorFunction::load.
  static std::unique_ptr<ExitMeter> create(const std::string &Path, const ModelOptions &Wanted,
                                           size_t Longest, std::function<bool()> GoOn,
                                           Diagnostics &Diags);

  int64_t layers() const { return Stack->manifest().Model.Layers; }
  /// Bytes of the weights that the head reads.
  double headBytes() const;

  /// The rows that count, text by text, behind `Layer`, or behind all.  Nullopt on error:
  /// those of Session.
  std::optional<RowSet> rows(std::span<const ScoredText> Texts, std::optional<int64_t> Layer,
                             Diagnostics &Diags);

  /// What the head says of rows that are followed by the tokens of `Texts` that count.
  std::optional<SaidTokens> say(const RowSet &Rows, std::span<const ScoredText> Texts,
                                Diagnostics &Diags);

private:
  ExitMeter() = default;

  std::unique_ptr<Model> Stack;
  std::unique_ptr<Session> Run; ///< Goes before its model.
  std::unique_ptr<TensorFunction> Head;
  std::function<bool()> GoOn;
};

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_EXITMETER_H
