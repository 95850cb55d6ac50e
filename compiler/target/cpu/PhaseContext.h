//===- PhaseContext.h - What the emitters of a phase share ------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_PHASECONTEXT_H
#define LATHE_COMPILER_TARGET_CPU_PHASECONTEXT_H

#include "compiler/target/cpu/CpuTarget.h"
#include "compiler/target/cpu/KernelBuilder.h"
#include "compiler/target/cpu/KernelSharing.h"
#include "dialects/Step/StepOps.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

#include <functional>

namespace lathe::compiler {

/// Where the rows of a value are in memory.
struct Rows {
  mlir::Value data;     ///< Row 0.
  int64_t rowBytes = 0; ///< From one row to the next; 0 when there is one row.
  int64_t elements = 0; ///< Of one row.

  // Of !lathe.q16_act, `scales` is f32 [rows].  Of !lathe.u8_act, it is f32
  // [elements / 128, rounded up][rows], `scaleBlockBytes` from block to block.
  mlir::Value lows; ///< !lathe.u8_act: f32 [rows], the least elements.
  //
  // !lathe.q8_act only.  Blocks of 32 elements come first and rows second, so
  // that what many rows of a tile read at a time is contiguous: data is
  // i8 [elements / 32][rows][32].
  int64_t blockBytes = 0;      ///< From one block of a row to the next.
  mlir::Value scales;          ///< f32 [elements / 32][rows].
  mlir::Value scaledSums;      ///< f32 [elements / 32][rows]: scale times sum.
  int64_t scaleBlockBytes = 0; ///< From block to block in these two.
  mlir::Value sums;            ///< i16 [elements / 32][rows][2][2], see BlockSums.
};

/// The place of a weights symbol's first pointer in the weight table.
using WeightTable = llvm::StringMap<int64_t>;

/// Fields of lathe_step_args, loaded at the start of a kernel.
struct StepArgs {
  mlir::Value arena, scratch, firstScratch, weights, kv, kvSlabBytes, kvCapacity;
  mlir::Value rows, token, position, sequence, logitsRows, logitsRow, logits;
};

/// Gives an argument of a kernel where it is called; `layer` is the one it is for.
using KernelArgument = std::function<mlir::Value(KernelBuilder &caller, mlir::Value layer)>;

/// Where scratch memory begins with what claims need: the number of claims of all workers, in the
/// memory of worker 0, and in that of each how many there were ahead of the phase.  i64, in lines
/// of their own.
inline constexpr int64_t ClaimCounter = 0, ClaimsAhead = 64, ClaimBytes = 128;

/// Emits the start of a step in which PhaseContext::forClaimed is used.
void emitClaimStart(KernelBuilder &k, mlir::Value args, mlir::Value worker);

/// State of one kernel while it is built.
class PhaseContext {
public:
  /// Of `kernel`, whose first arguments are the lathe_step_args, the layer, the worker
  /// and the number of workers.
  PhaseContext(mlir::OpBuilder &builder, step::PhaseOp phase, const CpuTarget &target,
               const WeightTable &weights, KernelSharing &sharing, mlir::func::FuncOp kernel);

  KernelBuilder k;
  step::PhaseOp phase;
  const CpuTarget &target;
  StepArgs args;
  mlir::Value argsPointer;            ///< The lathe_step_args.
  mlir::Value layer, worker, workers; ///< i64

  /// Greatest number of rows of the program.
  int64_t maxRows();
  /// Rows of this phase: all, or those that want logits.
  mlir::Value rowCount() { return phase.getLogitsRows() ? args.logitsRows : args.rows; }

  /// Memory of a value: of the buffer it is loaded from or stored to, or
  /// private memory of the worker for `rows` rows, made on first use.
  const Rows &rowsOf(mlir::Value value, int64_t rows);
  mlir::Value rowPointer(mlir::Value value, mlir::Value row, int64_t rows);
  /// Pointer to the packed weight that a lathe.weight value names.
  mlir::Value weightPointer(mlir::Value weight);
  /// The neurons (i64) that a lathe.width value says; null of null.
  mlir::Value widthOf(mlir::Value width);
  /// Rows behind a buffer, whatever its value.
  Rows rowsOfBuffer(mlir::Value buffer);

  /// A number (i64) that the kernel's code does not hold, so that kernels which
  /// differ in nothing else share their code.
  mlir::Value argument(KernelArgument argument);
  /// All of them, in the order of the kernel's last arguments.
  llvm::ArrayRef<KernelArgument> arguments() const { return extraArguments; }

  /// Calls the module's function of that name, which `body` writes at its first
  /// use: kernels share what does not depend on their phase.
  void callShared(llvm::StringRef name, mlir::ValueRange arguments,
                  llvm::function_ref<void(KernelBuilder &, mlir::ValueRange)> body);

  /// Calls a function that `body` writes as a kernel of its own, from these arguments,
  /// and with a context of its own, in which it may not ask for private memory.  Where
  /// another phase has one with the same code, that one is called.
  void callPart(llvm::StringRef name, mlir::ValueRange arguments,
                llvm::function_ref<void(PhaseContext &, mlir::ValueRange)> body);
  /// Ends the kernel, and gives the one with the same code, if there is one already.
  mlir::func::FuncOp finish();

  /// Private memory of the worker, 64-byte aligned.
  mlir::Value allocateScratch(int64_t bytes);
  /// The same for rows of so many elements, each with memory of its own.
  Rows allocateRows(int64_t rows, int64_t elements, mlir::Type element);
  int64_t scratchBytes() const { return scratchUsed; }

  /// A barrier inside the phase: all workers must come by.
  void emitBarrier();

  /// token, position or sequence of a row, as i64.
  mlir::Value rowField(mlir::Value array, mlir::Value row);

  /// The first and one past the last of `count` items for this worker.
  std::pair<mlir::Value, mlir::Value> workerRange(mlir::Value count);

  /// Calls `body` for each of `count` items that the worker comes to first, in ascending order:
  /// whoever is kept from its work leaves more to others.  In programs of several rows.
  void forClaimed(mlir::Value count, llvm::function_ref<void(mlir::Value item)> body);

private:
  void setStart(mlir::OpBuilder &builder);
  Rows layout(mlir::Value base, int64_t rows, int64_t elements, mlir::Type element);

  const WeightTable &weightTable;
  KernelSharing &sharing;
  mlir::func::FuncOp kernel;
  int64_t scratchUsed = ClaimBytes;
  llvm::DenseMap<mlir::Value, Rows> storage;
  llvm::DenseMap<mlir::Value, mlir::Value> weightPointers, bufferOffsets, widths;
  llvm::SmallVector<KernelArgument> extraArguments;
};

/// Calls the step's barrier; `args` points at the lathe_step_args.
void emitBarrierCall(KernelBuilder &k, mlir::Value args, mlir::Value worker);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_PHASECONTEXT_H
