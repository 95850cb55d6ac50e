//===- LayerMask.h - Which layers of a model run ----------------*- C++ -*-===//
//
// A sequence runs all layers of its model, or a part of them.  Keys and values of
// layers that do not run are not kept, so the layers of a sequence are chosen
// where it starts and stay.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_LAYERMASK_H
#define LATHE_RUNTIME_SESSION_LAYERMASK_H

#include "runtime/session/Manifest.h"
#include "runtime/support/Diagnostics.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

class LayerMask {
public:
  /// All layers that the program has: those that it was compiled without are left out.
  explicit LayerMask(const Manifest &Code);

  /// `Keep` and `Skip` list layers and ranges, both ends included: "0-20,25".  Layers
  /// run that `Keep` lists, or all where it is empty, but for those that `Skip` lists.
  /// Null on error: E0840 no such list, or no layer is left, E0841 a layer that the
  /// program was compiled without, or a program that cannot leave layers out.
  static std::shared_ptr<const LayerMask> parse(std::string_view Keep, std::string_view Skip,
                                                const Manifest &Code, Diagnostics &Diags);

  /// lathe_step_args::layer_runs.
  const int32_t *runs() const { return Runs.data(); }
  int64_t layers() const { return static_cast<int64_t>(Runs.size()); }
  /// How many of them run.
  int64_t count() const { return std::count(Runs.begin(), Runs.end(), 1); }
  /// Those that do not, as `parse` takes them; empty when all run.
  std::string skippedText() const;

  bool operator==(const LayerMask &) const = default;

private:
  bool keepOnly(std::string_view Keep, const Manifest &Code, Diagnostics &Diags);
  bool skip(std::string_view Skip, Diagnostics &Diags);

  std::vector<int32_t> Runs; ///< 1 or 0 for each layer.
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_LAYERMASK_H
