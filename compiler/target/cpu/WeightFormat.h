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

class WeightFormat {
public:
  virtual ~WeightFormat() = default;

  /// Elements along K that one step of the K loop takes, and their bytes.
  virtual int64_t stepElements() const = 0;
  virtual int64_t stepBytes() const = 0;

  /// Calls `use(k, w)` for the elements of a step in order of k: w is the
  /// dequantised weight of the 16 outputs of `group` (0 or 1).
  virtual void unpack(KernelBuilder &k, mlir::Value step, int64_t group,
                      llvm::function_ref<void(int64_t, mlir::Value)> use) const = 0;

  /// Whether a step is two k, stored as pairs of bf16; if so, its weights as
  /// vector<32xbf16>.
  virtual bool storesPairs() const { return false; }
  virtual mlir::Value pairs(KernelBuilder &k, mlir::Value step, int64_t group) const { return {}; }

  /// Stores the elements of a step for one row of the panel as f32 at
  /// `destination`.  `lane` (i64) is the row's place in the panel.
  virtual void gather(KernelBuilder &k, mlir::Value step, mlir::Value lane,
                      mlir::Value destination) const = 0;

  /// Integer weights, for formats that have them.
  virtual std::optional<Int8Weights> int8Weights() const { return std::nullopt; }
  /// Calls `use(quad, w)` for the 8 quads of a block: w is vector<64xi8>.
  virtual void unpackInt8(KernelBuilder &k, mlir::Value step, int64_t group,
                          llvm::function_ref<void(int64_t, mlir::Value)> use) const {}
  /// Scale of the 16 outputs, and the minimum that is added, if there is one.
  virtual mlir::Value scale(KernelBuilder &k, mlir::Value step, int64_t group) const { return {}; }
  virtual mlir::Value minimum(KernelBuilder &k, mlir::Value step, int64_t group) const {
    return {};
  }
};

struct WeightFormatRegistration {
  WeightFormatRegistration(llvm::StringRef name, const WeightFormat &format);
};

/// The code for the format of that name, or null.
const WeightFormat *findWeightFormat(llvm::StringRef name);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_WEIGHTFORMAT_H
