//===- Epilogue.h - Elementwise ops on the tiles of a contraction *- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_EPILOGUE_H
#define LATHE_COMPILER_TARGET_CPU_EPILOGUE_H

#include "compiler/target/cpu/PhaseContext.h"
#include "compiler/target/cpu/Segments.h"

#include <map>

namespace lathe::compiler {

/// What all chunks of a head share, in all lanes, by who takes it: 1 / rms by the
/// norm, and what a KVFormat keeps by the operand that it writes.
using HeadFactors = llvm::SmallDenseMap<const void *, mlir::Value, 4>;

/// Where a row of a tile, or a head of it, starts.
struct EpiloguePlace {
  mlir::Value row;                      ///< Index of the row, i64.
  mlir::Value column;                   ///< First column in the result, i64.
  llvm::SmallVector<mlir::Value> tiles; ///< That column in the tile of each contraction.
  int64_t rows = 0;                     ///< Rows that private memory is kept for.
};

/// One vector in each period of one head.  Values are asked for in chunks of
/// `lanes` columns; chunk 0 is at `shift` columns from the start of the head.
/// Behind a contraction, its results come from the tile and other ops are
/// computed; elsewhere (no tiles) every operand is a finished row in memory.
class EpilogueRow {
public:
  EpilogueRow(PhaseContext &context, const Segment &segment, const EpiloguePlace &head,
              mlir::Value shift, const HeadFactors &factors);

  PhaseContext &c;
  const Segment &segment;
  mlir::Value row;            ///< Index of the row, i64.
  mlir::Value firstColumn;    ///< Of chunk 0, i64.
  mlir::Value shift;          ///< Columns ahead of chunk 0 in its head, less than a period; i64.
  const HeadFactors &factors; ///< Of this head.
  int64_t rows;               ///< Rows that private memory is kept for.

  /// The chunk of a value, computed once.
  mlir::Value get(mlir::Value value, int64_t chunk);
  /// Byte offset of a chunk in a row of f32.
  mlir::Value columnOffset(int64_t chunk);
  /// Stores what the segment ends in, for one chunk.
  void emitStores(int64_t chunk);

private:
  mlir::Value compute(mlir::Value value, int64_t chunk);

  llvm::SmallVector<mlir::Value> tiles; ///< Chunk 0 in the tile of each contraction.
  std::map<std::pair<const void *, int64_t>, mlir::Value> known;
};

/// Carries values through all chunks of a head, in order, from `inits` on.
llvm::SmallVector<mlir::Value>
foldHead(PhaseContext &context, const Segment &segment, const EpiloguePlace &head,
         const HeadFactors &factors, llvm::ArrayRef<mlir::Value> inits,
         llvm::function_ref<llvm::SmallVector<mlir::Value>(EpilogueRow &, int64_t chunk,
                                                           mlir::ValueRange carried)>
             fold);

/// Asks `body` for every chunk of the `columns` columns from `place` on.
void emitChunks(PhaseContext &context, const Segment &segment, const EpiloguePlace &place,
                mlir::Value columns, llvm::function_ref<void(EpilogueRow &, int64_t chunk)> body);

/// Whether it stores blocks of int8.
bool storesBlock(step::StoreOp store);

/// Emits the segment's stores of int8 for `rows` rows from `first` on and their `columns`
/// columns: a block of each of several rows at a time.
void emitBlockStores(PhaseContext &context, const Segment &segment, const EpiloguePlace &first,
                     mlir::Value rows, mlir::Value columns);

/// Gives one chunk of the result of `op`.
using ElementwiseEmitter = mlir::Value (*)(EpilogueRow &row, mlir::Operation *op, int64_t chunk);

struct ElementwiseEmitterRegistration {
  ElementwiseEmitterRegistration(llvm::StringRef opName, ElementwiseEmitter emitter);
};

/// The emitter for ops of that name, or null.
ElementwiseEmitter findElementwiseEmitter(llvm::StringRef opName);

/// Emits one row of an elementwise op in a phase without a contraction, into the
/// memory of its result.
void emitElementwiseRow(PhaseContext &context, mlir::Operation *op, mlir::Value row, int64_t rows);

/// Writes one chunk of keys and values into the cache.
void emitCacheWrite(EpilogueRow &row, ir::KVAppendOp append, int64_t chunk);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_EPILOGUE_H
