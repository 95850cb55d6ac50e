//===- LatheSharding.h - How the ops split over ranks -----------*- C++ -*-===//
//
// Models of upstream's `ShardingInterface` (shard dialect, LLVM 22), so that its
// propagation and partition passes shard the outlined body of a layer: a flat
// function of one block, whose weights and cache are arguments.
//
// - `linear` splits over its outputs, or over its inputs; then the partial sums
//   are joined by one `shard.all_reduce`.
// - Heads split whole: key/value heads together with their query heads.
// - A cache is no tensor, so it carries no annotation.  Partition gives it the
//   heads of its rank, `!lathe.kv<.. x heads / ranks x ..>`, as the keys and
//   values that are appended demand; an argument of the function included.
// - A split that is not exact is refused: a size that the ranks do not divide,
//   or whose parts would cut a quantisation block, sizes that are not known
//   (rows), and what only the whole gives (a norm, the elements of a head).
//   Upstream does not check any of these.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_DIALECTS_LATHE_LATHESHARDING_H
#define LATHE_DIALECTS_LATHE_LATHESHARDING_H

namespace mlir {
class DialectRegistry;
}

namespace lathe::ir {

/// Attaches the models to the ops when the lathe dialect is loaded.  The dialect
/// itself does not depend on the shard dialect.
void registerShardingModels(mlir::DialectRegistry &registry);

} // namespace lathe::ir

#endif // LATHE_DIALECTS_LATHE_LATHESHARDING_H
