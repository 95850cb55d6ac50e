//===- WeightFormat.h - Code that reads packed weights ----------*- C++ -*-===//
//
// How kernels read one element format out of 32-row panels (the layouts of
// runtime/formats/BlockFormat.h).  A format is added by one file in formats/
// that registers itself.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_CPU_WEIGHTFORMAT_H
#define LATHE_COMPILER_TARGET_CPU_WEIGHTFORMAT_H

#include "compiler/target/cpu/Int8Dot.h"
#include "compiler/target/cpu/KernelBuilder.h"
#include "runtime/formats/BlockFormat.h"

#include <optional>

namespace lathe::compiler {

/// The part of a block of a panel that a group of 16 outputs has.
struct PanelBlock {
  mlir::Value place;                       ///< The first byte of the block.
  mlir::Value group = {};                  ///< i64: 0 or 1; not for WeightFormat::gather.
  llvm::ArrayRef<mlir::Value> header = {}; ///< What WeightFormat::header gave for the same outputs.

  // For formats with fronts or tails: the start of the panel and of its tail, how many steps
  // they have, and the number of this one (i64).
  mlir::Value panel = {}, tail = {}, steps = {}, index = {};
};

class CoarseFormat;

/// A panel is one step after the other along K.  A step is one block; in formats
/// of super-blocks it is a header, for all of its blocks, and several of them.
class WeightFormat {
public:
  virtual ~WeightFormat() = default;

  /// Elements along K of a block, and their bytes.
  virtual int64_t blockElements() const = 0;
  virtual int64_t blockBytes() const = 0;
  virtual int64_t stepBlocks() const { return 1; }
  virtual int64_t headerBytes() const { return 0; }
  int64_t stepElements() const { return stepBlocks() * blockElements(); }
  int64_t stepBytes() const { return headerBytes() + stepBlocks() * blockBytes(); }
  /// Bytes of a panel in front of its steps, and of each step in the panel's tail, which
  /// stands behind all panels; both only in formats whose steps are single blocks.  A block's
  /// place does not count the front.
  virtual int64_t frontBytes() const { return 0; }
  virtual int64_t tailBytes() const { return 0; }
  int64_t panelBytes(int64_t steps) const { return frontBytes() + steps * stepBytes(); }

  /// The numbers in the header of a step that the 16 outputs of `group` (0 or 1)
  /// need in every block; `group` is i64.
  virtual llvm::SmallVector<mlir::Value> header(KernelBuilder &k, mlir::Value step,
                                                mlir::Value group) const {
    return {};
  }

  /// Calls `use(k, w)` for the elements of a block in order of k: w is the
  /// dequantised weight of 16 outputs.
  virtual void unpack(KernelBuilder &k, const PanelBlock &block,
                      llvm::function_ref<void(int64_t, mlir::Value)> use) const = 0;

  /// Whether a block is two k, stored as pairs of bf16; if so, its weights as
  /// vector<32xbf16>.
  virtual bool storesPairs() const { return false; }
  virtual mlir::Value pairs(KernelBuilder &k, const PanelBlock &block) const { return {}; }

  /// Whether a block is two k, stored as pairs of int16, with a scale for each output in
  /// front of the panel; if so, its weights as vector<32xi16>, and the scales.
  virtual bool storesWords() const { return false; }
  virtual mlir::Value words(KernelBuilder &k, mlir::Value block, mlir::Value group) const {
    return {};
  }
  virtual mlir::Value outputScales(KernelBuilder &k, mlir::Value panel, mlir::Value group) const {
    return {};
  }

  /// Whether a block is 128 k, stored as quads of int8, with a scale for each output in front of
  /// them and the sum of all weights of each output in front of the panel; if so, quad `quad`
  /// (i64) as vector<64xi8>, the block's scales, and the sums.
  virtual bool storesBytes() const { return false; }
  virtual mlir::Value bytes(KernelBuilder &k, mlir::Value block, mlir::Value quad,
                            mlir::Value group) const {
    return {};
  }
  virtual mlir::Value blockScales(KernelBuilder &k, mlir::Value block, mlir::Value group) const {
    return {};
  }
  virtual mlir::Value outputSums(KernelBuilder &k, mlir::Value panel, mlir::Value group) const {
    return {};
  }

  /// Stores the elements of a step, which has no header yet, for one row of the panel
  /// as f32 at `destination`.  `lane` (i64) is the row's place in the panel.
  virtual void gather(KernelBuilder &k, const PanelBlock &step, mlir::Value lane,
                      mlir::Value destination) const = 0;

  /// Integer weights, for formats that have them.  Their blocks have 32 k, and
  /// weight = scale * (integer - zero point) + minimum.
  virtual std::optional<Int8Weights> int8Weights() const { return std::nullopt; }
  /// Calls `use(quad, w)` for the 8 quads of a block in order: w is vector<64xi8>.
  virtual void unpackInt8(KernelBuilder &k, const PanelBlock &block,
                          llvm::function_ref<void(int64_t, mlir::Value)> use) const {}
  /// Scale of the 16 outputs, and the minimum that is added, if there is one.
  virtual mlir::Value scale(KernelBuilder &k, const PanelBlock &block) const { return {}; }
  virtual mlir::Value minimum(KernelBuilder &k, const PanelBlock &block) const { return {}; }
  /// Where Int8Weights::scaledHalves: the integers that scale the first and the
  /// last 16 k, side by side for each output, as vector<32xi16>.
  virtual mlir::Value halfScales(KernelBuilder &k, const PanelBlock &block) const { return {}; }

  /// How to compute bounds of products from a part of the weights, or null.
  virtual const CoarseFormat *coarse() const { return nullptr; }
};

struct WeightFormatRegistration {
  WeightFormatRegistration(llvm::StringRef name, const WeightFormat &format);
};

/// The code for the format of that name, or null.
const WeightFormat *findWeightFormat(llvm::StringRef name);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_WEIGHTFORMAT_H
