//===- LayerMask.h - Which layers of a model run ----------------*- C++ -*-===//
//
// A sequence runs all layers of its model, or a part of them.  Keys and values of
// layers that do not run are not kept, so the layers of a sequence are chosen
// where it starts and stay.  Of the layers that run, a part of the neurons may be
// computed; that can change at any position.
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

  /// The same, of which layers compute `Width` of their neurons: a share above 0 up to 1,
  /// rounded up to what each layer can compute, or a number above 1, one for all; empty: as
  /// the program does unless asked.  E0818 where the program has no such width.
  static std::shared_ptr<const LayerMask> parse(std::string_view Keep, std::string_view Skip,
                                                std::string_view Width, const Manifest &Code,
                                                Diagnostics &Diags);

  /// lathe_step_args::widths.
  const int32_t *widths() const { return Widths.data(); }
  /// Neurons of all layers together that are computed where a layer has a choice.
  int64_t neurons() const;
  /// Whether the same layers run.
  bool runsAs(const LayerMask &Other) const { return Runs == Other.Runs; }

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

  bool narrow(std::string_view Width, const Manifest &Code, Diagnostics &Diags);

  std::vector<int32_t> Runs;   ///< 1 or 0 for each layer.
  std::vector<int32_t> Widths; ///< Neurons of each layer, or 0.
};

/// The pass (lathe_compile_request::passes) behind `Others` by which a program's widths can be
/// chosen; `Unasked` is the share of the neurons that runs unless a caller asks, and `File`
/// what the program calls the file that says their order (empty: that of the model file).
std::string withWidths(std::string Others, double Unasked = 1, const std::string &File = {});

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_LAYERMASK_H
