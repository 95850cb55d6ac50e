//===- KVFormat.h - Forms of keys and values in the cache -------*- C++ -*-===//
//
// How the keys and values of one head at the 256 positions of a split are stored
// (docs/layouts.md), and how queries meet them.  Forms register under the name of
// the cache's element type.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_KVFORMAT_H
#define LATHE_COMPILER_TARGET_CPU_KVFORMAT_H

#include "compiler/target/cpu/Epilogue.h"
#include "compiler/target/cpu/KVLayout.h"

#include <memory>

namespace lathe::compiler {

/// What one chunk of a row's key and value is written to.
struct KVPlace {
  KVPointers split;     ///< Of the head and the split of the position.
  mlir::Value position; ///< In the split.
  mlir::Value element;  ///< The chunk's first, in the head.
};

/// Memory to ask for while something else is computed: from `start` on, up to the
/// byte at offset `last`.  Nothing where `start` is null.
struct KVAhead {
  mlir::Value start, last;
};

/// Code for the queries of one tile.  Keeps what it needs of them in private
/// memory of the worker.
class KVReader {
public:
  KVReader(PhaseContext &context, ir::AttentionOp attention)
      : c(context), k(context.k), type(attention.getCache().getType()), dim(type.getHeadDim()) {}
  virtual ~KVReader() = default;

  /// Makes queries, pointers to f32 [dim], ready to meet keys.
  virtual void prepareQueries(mlir::ValueRange) {}
  /// Products of the queries with `width` blocks of 16 keys, from `block` of the
  /// split on: f32 vectors, [query][block].  With one row, values of the same
  /// positions are asked for.
  virtual llvm::SmallVector<mlir::Value> emitProducts(mlir::ValueRange queries,
                                                      const KVPointers &split, mlir::Value block,
                                                      int64_t width) = 0;
  /// Makes the weights of `blocks` blocks of positions, f32 [queries][AttentionSplit]
  /// which may be overwritten, ready to meet values.
  virtual void prepareWeights(mlir::Value, int64_t, const KVPointers &, mlir::Value) {}
  /// The sums of weights times values, f32 [dim], go to `to` and every
  /// `stride` bytes behind.  `width` says how many vectors suit the registers.
  virtual void emitMix(mlir::Value weights, int64_t queries, const KVPointers &split,
                       mlir::Value blocks, int64_t width, mlir::Value to, int64_t stride,
                       const KVAhead &ahead) = 0;

protected:
  /// Asks for `bytes` from `offset` on, as far as there are any.
  void askAhead(const KVAhead &ahead, mlir::Value offset, int64_t bytes) {
    if (ahead.start)
      k.prefetch(k.at(ahead.start, k.min(offset, ahead.last)), bytes);
  }

  PhaseContext &c;
  KernelBuilder &k;
  ir::KVType type;
  int64_t dim;
};

class KVFormat {
public:
  virtual ~KVFormat() = default;
  /// Bytes of the keys in a split of one head; the values have as many.
  virtual int64_t splitBytes(ir::KVType type) const = 0;
  /// Computes what all chunks of a row's head share, and stores it from the head's
  /// `place` on; `write` finds it in `factors`, by the operands of `append`.
  virtual void prepare(PhaseContext &, const Segment &, const EpiloguePlace &, ir::KVAppendOp,
                       const KVPlace &, HeadFactors &) const {}
  /// Writes a chunk of a row's key and value.
  virtual void write(EpilogueRow &row, ir::KVAppendOp append, int64_t chunk,
                     const KVPlace &place) const = 0;
  /// For at most `mostQueries` queries of `attention` at a time.
  virtual std::unique_ptr<KVReader> createReader(PhaseContext &context, ir::AttentionOp attention,
                                                 int64_t mostQueries) const = 0;
};

struct KVFormatRegistration {
  KVFormatRegistration(llvm::StringRef elementName, std::shared_ptr<const KVFormat> format);
};

/// The form of that cache; there is one for every type that passes verification.
const KVFormat &getKVFormat(ir::KVType type);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_KVFORMAT_H
