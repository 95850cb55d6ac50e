//===- PendingWeights.h - Packing while the compiler works ------*- C++ -*-===//
//
// How weights are packed is known long before the machine code of the program is
// there: the compiler tells the manifest, and the other cores pack meanwhile.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_PENDINGWEIGHTS_H
#define LATHE_RUNTIME_SESSION_PENDINGWEIGHTS_H

#include "runtime/session/Manifest.h"
#include "runtime/support/BackgroundTask.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/weights/WeightStore.h"

#include <optional>
#include <string_view>

namespace lathe {

/// The weights of `Files` as `Program` wants them, from the user's cache where
/// `UseCache` says so; null on error, see WeightStore::create.
std::unique_ptr<WeightStore> packWeights(const WeightFiles &Files, const Manifest &Program,
                                         WorkerPool &Workers, NonFiniteWeights NonFinite,
                                         bool UseCache, Diagnostics &Diags);

/// The files and `Workers` must outlive it; nobody else uses the workers meanwhile.
class PendingWeights {
public:
  PendingWeights(WeightFiles Files, WorkerPool &Workers, NonFiniteWeights NonFinite, bool UseCache);

  /// Starts packing on another thread; once at most.  A text that is no manifest
  /// starts nothing: whoever loads the program tells what is wrong with it.
  void start(std::string_view ManifestText);
  bool isStarted() const { return Program.has_value(); }

  /// Waits for what was started.  Null on error.
  std::unique_ptr<WeightStore> take(Diagnostics &Diags);
  /// From the start to the end of packing.
  double milliseconds() const { return Milliseconds; }

private:
  WeightFiles Files;
  WorkerPool &Workers;
  NonFiniteWeights NonFinite;
  bool UseCache;
  std::optional<Manifest> Program;
  std::unique_ptr<WeightStore> Store;
  Diagnostics Found;
  double Milliseconds = 0;
  BackgroundTask Task; ///< The last: it uses all the others.
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_PENDINGWEIGHTS_H
