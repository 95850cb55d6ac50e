//===- TileModel.cpp - Chooses register tiles by numbers of a core ---------===//

#include "compiler/target/cpu/TileModel.h"

#include "runtime/formats/BlockFormat.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <numeric>

using namespace lathe;
using namespace lathe::compiler;

/// Tiles of these numbers of rows are compared: the fewer rows, the less code and the fewer
/// rows that are left over.
static constexpr int64_t RowCandidates[] = {1, 2, 3, 4, 6, 8, 10, 12, 14};
/// A larger tile must be faster by so much to be chosen.
static constexpr double Clearly = 1.025;

/// Units of a processor work side by side, but not as well as if each had the rest of the
/// time to itself: a smooth maximum, which is the largest alone where that is far ahead.
double RegisterTile::picoseconds() const {
  double sum = std::pow(operations, 4) + std::pow(loads, 4) + std::pow(latency, 4);
  return std::pow(sum, 0.25);
}

RegisterTile compiler::predictTile(const CpuTarget &target, TileArithmetic arithmetic, int64_t rows,
                                   int64_t columns) {
  bool int8 = arithmetic == TileArithmetic::Int8;
  int64_t lanes = target.vectorBits / 32, vectors = columns / lanes;
  int64_t sums = rows * vectors;
  RegisterTile tile{rows, columns};
  // Besides the sums: weights, of two turns where LLVM unrolls blocks of int8, an element of
  // a row in all lanes, and a product on its way to a sum.
  tile.registers = sums + (int8 ? 2 * vectors + 2 : vectors + 1);
  int64_t spilled = std::max<int64_t>(0, tile.registers - target.registers);
  tile.operations =
      static_cast<double>(sums * (int8 ? target.int8StepTime : target.multiplyAddTime));
  // What is spilled is stored and loaded again.
  tile.loads = static_cast<double>((rows + vectors + 2 * spilled) * target.loadTime);
  // The sums of a block of int8 are short chains, and those of the next tile do not wait.  A
  // sum that is spilled waits for its store and its load besides, about as long again.
  if (!int8)
    tile.latency = static_cast<double>(target.multiplyAddLatency * (spilled ? 2 : 1));
  return tile;
}

llvm::SmallVector<RegisterTile> compiler::listTiles(const CpuTarget &target,
                                                    TileArithmetic arithmetic) {
  llvm::SmallVector<RegisterTile> tiles;
  for (int64_t rows : RowCandidates)
    for (int64_t columns = Lanes; columns <= PanelRows; columns += Lanes)
      tiles.push_back(predictTile(target, arithmetic, rows, columns));
  llvm::sort(tiles, [](const RegisterTile &a, const RegisterTile &b) {
    return std::pair(a.rows * a.columns, a.rows) < std::pair(b.rows * b.columns, b.rows);
  });
  return tiles;
}

RegisterTile compiler::chooseTile(const CpuTarget &target, TileArithmetic arithmetic) {
  bool int8 = arithmetic == TileArithmetic::Int8;
  int64_t rows = int8 ? target.rowTile : target.floatRowTile;
  int64_t columns = int8 ? target.columnTile : target.floatColumnTile;
  if (rows && columns)
    return predictTile(target, arithmetic, rows, columns);
  llvm::SmallVector<RegisterTile> tiles;
  if (rows)
    for (int64_t each = Lanes; each <= PanelRows; each += Lanes)
      tiles.push_back(predictTile(target, arithmetic, rows, each));
  else
    tiles = listTiles(target, arithmetic);
  llvm::erase_if(tiles,
                 [&](const RegisterTile &tile) { return columns && tile.columns != columns; });
  double best = llvm::max_element(tiles, [](const RegisterTile &a, const RegisterTile &b) {
                  return a.share() < b.share();
                })->share();
  return *llvm::find_if(tiles,
                        [&](const RegisterTile &tile) { return tile.share() * Clearly >= best; });
}

int64_t compiler::chooseColumns(const CpuTarget &target, int64_t rows) {
  RegisterTile narrow = predictTile(target, TileArithmetic::Float, rows, Lanes);
  RegisterTile wide = predictTile(target, TileArithmetic::Float, rows, PanelRows);
  return wide.share() > narrow.share() ? wide.columns : narrow.columns;
}

/// The most `unit`s that fit, at least one.
static int64_t wholeUnits(int64_t bytes, int64_t bytesEach, int64_t unit) {
  return std::max<int64_t>(unit, bytes / bytesEach / unit * unit);
}

void compiler::chooseSizes(CpuTarget &target) {
  RegisterTile int8 = chooseTile(target, TileArithmetic::Int8);
  target.rowTile = int8.rows;
  target.columnTile = int8.columns;
  RegisterTile floats = chooseTile(target, TileArithmetic::Float);
  target.floatRowTile = floats.rows;
  target.floatColumnTile = floats.columns;
  // Half of the nearest cache for weights, three eighths for sums, the rest for rows.
  constexpr int64_t BytesOfRow = PanelRows * 4;
  if (!target.floatDepth)
    target.floatDepth =
        std::min<int64_t>(4096, wholeUnits(target.nearestCacheBytes / 2, BytesOfRow, 16));
  if (!target.rowChunk)
    target.rowChunk =
        std::min<int64_t>(4096, wholeUnits(target.nearestCacheBytes * 3 / 8, BytesOfRow,
                                           std::lcm(target.rowTile, target.floatRowTile)));
}
