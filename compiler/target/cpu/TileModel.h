//===- TileModel.h - Chooses register tiles by numbers of a core -*- C++ -*-===//
//
// How long register tiles of all shapes should take, from what a core takes for
// each of their instructions, and which of them is chosen.  docs/cost-model.md has
// the formulas.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_TILEMODEL_H
#define LATHE_COMPILER_TARGET_CPU_TILEMODEL_H

#include "compiler/target/cpu/CpuTarget.h"

#include "llvm/ADT/SmallVector.h"

namespace lathe::compiler {

/// What a register tile computes with.
enum class TileArithmetic { Int8, Float };

/// A register tile: `rows` rows of activations meet `columns` outputs, for one k of f32
/// or one pair of bf16, or for four k of int8.
struct RegisterTile {
  int64_t rows = 1, columns = 16;
  int64_t registers = 0; ///< That it needs; above those of the target some are spilled.
  double operations = 0; ///< Picoseconds of all multiply-adds.
  double loads = 0;      ///< Of all loads, with those and the stores of what is spilled.
  double latency = 0;    ///< Of one multiply-add, for which the next turn waits.

  /// Of one turn of the innermost loop.
  double picoseconds() const;
  /// The share of the peak that this leaves.
  double share() const { return operations / picoseconds(); }
};

RegisterTile predictTile(const CpuTarget &target, TileArithmetic arithmetic, int64_t rows,
                         int64_t columns);

/// All tiles that are compared, in the order in which one is preferred to those behind it
/// that are not clearly better.
llvm::SmallVector<RegisterTile> listTiles(const CpuTarget &target, TileArithmetic arithmetic);

/// The tile for the target, with those of its sizes kept that were given.
RegisterTile chooseTile(const CpuTarget &target, TileArithmetic arithmetic);

/// The columns of float tiles for rows that are left over.
int64_t chooseColumns(const CpuTarget &target, int64_t rows);

/// Fills in the sizes that were not given, by the target's numbers.
void chooseSizes(CpuTarget &target);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_TILEMODEL_H
