//===- GpuContext.h - What the emitters of a GPU phase share ----*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUCONTEXT_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUCONTEXT_H

#include "compiler/target/cpu/KernelSharing.h"
#include "compiler/target/cpu/PhaseContext.h"
#include "compiler/target/nvptx/GpuBuilder.h"
#include "dialects/Step/StepOps.h"

#include "llvm/ADT/DenseMap.h"

namespace lathe::compiler {

/// Shared memory that a block may use on every GPU there are kernels for; see NvptxTarget.h.
inline constexpr int64_t SharedBytes = 96 * 1024;

/// The shared memory of a kernel's block is one array of this name.
inline constexpr llvm::StringLiteral SharedMemoryName = "lathe_shared";

/// The start of the block's shared memory, which is declared on first use.
mlir::Value emitSharedMemory(GpuBuilder &k, mlir::ModuleOp module);

/// A row of a phase: its number, and its place in the chunk that the block works on.
struct GpuRow {
  mlir::Value number, local; ///< i64.
};

/// Where the rows of a value are: in global memory by their number, or in shared
/// memory by their place in the chunk.
struct GpuRows {
  mlir::Value data;      ///< Row 0.
  bool isShared = false; ///< Of the block.
  int64_t rowBytes = 0, elements = 0;

  // !lathe.q8_act only: i8 [elements / 32][rows][32], f32 [elements / 32][rows].
  int64_t blockBytes = 0, scaleBlockBytes = 0;
  mlir::Value scales;

  // bf16 for products of warpgroups (GpuWarpgroupTiles.h) has `blockBytes` as well:
  // [elements / 8][rows][8].  Of 16 elements, pairs 0, 2, 4, 6 are in the first block, and the
  // others, which the same lane has of the weights, in the second.

  /// From the start of its row to an element (i64) of so many bytes.
  mlir::Value offset(GpuBuilder &k, mlir::Value element, int64_t bytes) const;
  mlir::Value index(const GpuRow &row) const { return isShared ? row.local : row.number; }
};

class NvptxTarget;

/// State of one phase while its code is built.  All threads of a block run it.
class GpuContext {
public:
  /// The arguments of `function`: the lathe_step_args, in global memory; the layer, the
  /// block and the number of blocks, as i64.
  GpuContext(mlir::OpBuilder &builder, const NvptxTarget &target, step::PhaseOp phase,
             const WeightTable &weights, KernelSharing &sharing, mlir::func::FuncOp function);

  GpuBuilder k;
  const NvptxTarget &target;
  step::PhaseOp phase;
  mlir::Value layer, block, blocks;  ///< i64
  mlir::Value thread, lane, warp;    ///< i64: in the block, in the warp; of the block.
  mlir::Value rowsCount, logitsRows; ///< i64, of the step.
  int64_t chunk = 1;                 ///< Rows that shared memory has room for.

  int64_t maxRows() { return phase->getParentOfType<step::ProgramOp>().getMaxRows(); }
  mlir::Value rowCount() { return phase.getLogitsRows() ? logitsRows : rowsCount; }

  /// Memory of a value: of the buffer it is loaded from or, but in a phase over columns,
  /// stored to, else shared memory for `chunk` rows, made on first use.
  const GpuRows &rowsOf(mlir::Value value);
  GpuRows rowsOfBuffer(mlir::Value buffer);
  mlir::Value rowPointer(mlir::Value value, const GpuRow &row);
  /// Pointer to the packed weight that a lathe.weight value names.
  mlir::Value weightPointer(mlir::Value weight);
  /// token, position, sequence or logits_row of a row, as i64.
  enum class Field { Token, Position, Sequence, LogitsRow };
  mlir::Value rowField(Field field, mlir::Value row);
  /// The keys of one head in the split of a position; the values are `bytes` behind.
  mlir::Value cachePointer(ir::KVType type, mlir::Value sequence, mlir::Value head,
                           mlir::Value split);

  /// Shared memory, 16-byte aligned.
  mlir::Value allocateShared(int64_t bytes);
  int64_t sharedBytes() const { return sharedUsed; }

  /// Global memory of the step that a phase may use while it runs, 64-byte aligned.
  mlir::Value scratch(int64_t bytes);
  int64_t scratchBytes() const { return scratchUsed; }
  /// All blocks meet.
  void gridBarrier() { k.gridBarrier(counter, thread, blocks); }

  /// A number that the function's code does not hold (PhaseContext.h).
  mlir::Value argument(KernelArgument argument);
  llvm::ArrayRef<KernelArgument> arguments() const { return extraArguments; }
  /// Ends the function, and gives the one with the same code, if there is one already.
  mlir::func::FuncOp finish();

  /// Folds x of all threads of the block by a fixed tree; all threads get the result.
  mlir::Value blockReduce(mlir::Value x, GpuBuilder::Fold fold);
  /// Loops over `count` items, one for each thread at a time.
  void forThreads(mlir::Value count, KernelBuilder::Body body) {
    k.forLoop(thread, count, BlockThreads, body);
  }
  /// Loops over items 0 to `count` of the phase that are this block's: every `blocks`-th,
  /// where the first is that of block `first`.
  void forBlocks(mlir::Value first, mlir::Value count, KernelBuilder::Body body);

private:
  mlir::Value loadField(mlir::Type type, int64_t offset);
  GpuRows layout(mlir::Value base, int64_t rows, int64_t elements, mlir::Type element);
  /// Whether rows of elements are laid out for products of warpgroups.
  bool isForWarpgroups(int64_t elements, mlir::Type element) const;
  void setStart() { k.builder().setInsertionPointAfter(start); }

  const WeightTable &weightTable;
  KernelSharing &sharing;
  mlir::func::FuncOp function;
  mlir::Operation *start; ///< Bases are made behind it, ahead of all loops.
  mlir::Value argsPointer, arena, weightsPointer, cache, slabBytes, logits, shared, reduced,
      counter;
  mlir::Value fields[4];
  int64_t sharedUsed = 0, scratchUsed = 0;
  llvm::DenseMap<mlir::Value, GpuRows> storage;
  llvm::DenseMap<mlir::Value, mlir::Value> weightPointers, bufferOffsets;
  llvm::SmallVector<KernelArgument> extraArguments;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUCONTEXT_H
