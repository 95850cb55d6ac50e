//===- GpuFormat.h - Weights in the registers of a warp ---------*- C++ -*-===//
//
// How a GPU kernel reads one element format out of the 32-row panels that the CPU's
// kernels read as well (docs/layouts.md): there is one packed copy.  A lane of a warp
// has four neighbouring rows; eight lanes have all 32, and the four groups of eight
// lanes take different k.  A format is added by one file in formats/ that registers
// itself.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUFORMAT_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUFORMAT_H

#include "compiler/target/nvptx/GpuBuilder.h"
#include "runtime/formats/BlockFormat.h"

namespace lathe::compiler {

/// Rows of a panel that a lane has, and lanes that have a whole panel.
inline constexpr int64_t LaneRows = 4, PanelLanes = PanelRows / LaneRows;

/// A block of 32 k of a panel, and the first of `rows` rows (i64) wanted of it: one, or
/// LaneRows, then a multiple of that.
struct GpuBlock {
  mlir::Value header; ///< Of the super-block, if there is one.
  mlir::Value block;  ///< First byte.
  mlir::Value row;
  int64_t rows;
  bool isConstant = true; ///< Memory that nothing writes; else it was copied.

  mlir::Value load(GpuBuilder &k, mlir::Type type, mlir::Value from, int64_t alignment) const {
    return isConstant ? k.loadConstant(type, from, alignment) : k.loadWide(type, from, alignment);
  }
};

/// A format whose weight is `scale * (integer - zero) + minimum` in blocks of 32 k, one
/// after the other; in super-blocks, 8 of them behind a header.
class GpuIntegerFormat {
public:
  virtual ~GpuIntegerFormat() = default;
  virtual int64_t headerBytes() const { return 0; }
  virtual int64_t stepBlocks() const { return 1; }
  virtual int64_t blockBytes() const = 0;
  virtual int64_t zero() const { return 0; }
  /// k that share a scale: 32 or 16.
  virtual int64_t scaleElements() const { return 32; }
  /// vector<rows x i32>: byte q is the integer, without a sign, of k = 4 quad + q.
  virtual mlir::Value words(GpuBuilder &k, const GpuBlock &block, mlir::Value quad) const = 0;
  /// vector<rows x f32> for the k of that quad.
  virtual mlir::Value scales(GpuBuilder &k, const GpuBlock &block, mlir::Value quad) const = 0;
  /// Likewise, or null in a format without one.
  virtual mlir::Value minimums(GpuBuilder &k, const GpuBlock &block) const { return {}; }
};

/// A format of plain floats.
class GpuFloatFormat {
public:
  virtual ~GpuFloatFormat() = default;
  /// vector<rows x f32>: the weights at `index` (i64), of rows of a block that begins with k 0.
  virtual mlir::Value weights(GpuBuilder &k, const GpuBlock &panel, mlir::Value index) const = 0;
  /// Of an element.
  virtual int64_t bytes() const = 0;
  /// Whether pairs of k are words of two bf16.
  virtual bool isPairs() const { return false; }
};

struct GpuFormatRegistration {
  GpuFormatRegistration(llvm::StringRef name, const GpuIntegerFormat &format);
  GpuFormatRegistration(llvm::StringRef name, const GpuFloatFormat &format);
};

/// One of both, or neither, for the block format of that name.
struct GpuFormat {
  const GpuIntegerFormat *integer = nullptr;
  const GpuFloatFormat *floats = nullptr;
  explicit operator bool() const { return integer || floats; }
};
GpuFormat findGpuFormat(llvm::StringRef name);
/// Of the elements of a matrix.
GpuFormat gpuFormatOf(mlir::Value weight);

/// Block `number` (i64) of a panel.
GpuBlock emitGpuBlock(GpuBuilder &k, const GpuIntegerFormat &format, mlir::Value panel,
                      mlir::Value number, mlir::Value row, int64_t rows);

/// vector<rows x f32>: the weights at k = 4 quad + `byte` of a block.
mlir::Value emitDequantized(GpuBuilder &k, const GpuIntegerFormat &format, const GpuBlock &block,
                            mlir::Value words, mlir::Value quad, mlir::Value byte);

/// f32 lanes of halves in memory, for the rows of a block.
mlir::Value loadHalves(GpuBuilder &k, const GpuBlock &block, mlir::Value from);
/// f32 lanes of bytes in memory, for the rows of a block.
mlir::Value loadBytes(GpuBuilder &k, const GpuBlock &block, mlir::Value from);
/// vector<rows x i32> of words in memory, for the rows of a block.
mlir::Value loadWords(GpuBuilder &k, const GpuBlock &block, mlir::Value from);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUFORMAT_H
