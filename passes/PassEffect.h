//===- PassEffect.h - What a pass may do to the numbers ---------*- C++ -*-===//
//
// Every pass of ours declares how far the results of a program may move when it
// runs; `--verify-each-pass` holds it to its word.
//
//   static const PassEffectRegistration effect("lathe-fuse", {NumericEffect::Exact});
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_PASSES_PASSEFFECT_H
#define LATHE_PASSES_PASSEFFECT_H

#include "llvm/ADT/StringRef.h"

#include <optional>

namespace mlir {
class Pass;
} // namespace mlir

namespace lathe {

enum class NumericEffect {
  Exact,           ///< The same bits.
  Reassociates,    ///< Sums in another order: rounding errors of f32.
  LowersPrecision, ///< Coarser numbers on the way, within `relativeBound`.
  OtherFunction,   ///< Asked for: it computes something else, which nothing is held against.
};

struct PassEffect {
  NumericEffect kind = NumericEffect::Exact;
  /// For LowersPrecision: how far any result may move, relative to the largest
  /// absolute value of its tensor.
  double relativeBound = 0;
};

/// "exact", "reassociates", "lowers-precision(0.05)" or "other-function".
std::string toString(PassEffect effect);

/// Declares the effect of the passes with that argument name. A second
/// declaration replaces the first.
void registerPassEffect(llvm::StringRef argument, PassEffect effect);

/// The declared effect. Upstream's passes (those whose argument does not begin
/// with "lathe-" or "step-") may reassociate at most; one of ours without a
/// declaration gives nothing.
std::optional<PassEffect> getDeclaredEffect(const mlir::Pass &pass);

/// A static object of this type declares an effect, beside the pass itself.
struct PassEffectRegistration {
  PassEffectRegistration(llvm::StringRef argument, PassEffect effect) {
    registerPassEffect(argument, effect);
  }
};

} // namespace lathe

#endif // LATHE_PASSES_PASSEFFECT_H
