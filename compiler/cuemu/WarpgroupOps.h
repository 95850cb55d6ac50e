//===- WarpgroupOps.h - Products of four warps (wgmma) ----------*- C++ -*-===//
//
// Each warp has 16 of the 64 rows, so its part is computed alone: as late as may be, when
// it waits for the group.  Until then a sum is a NaN that names the product and the
// register.  Layouts are as the PTX ISA describes them ("Register Fragments for
// wgmma.mma_async.m64nNk16", "Matrix Descriptor").
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_CUEMU_WARPGROUPOPS_H
#define LATHE_COMPILER_CUEMU_WARPGROUPOPS_H

#include "compiler/cuemu/WarpOps.h"

#include <map>
#include <string>
#include <vector>

namespace lathe::cuemu {

inline constexpr uint32_t WarpgroupWarps = 4;

/// Products of a warp that are on their way, and sums that nobody has waited for with.
class WarpProducts {
public:
  static constexpr uint32_t RowBytes = 16; ///< 8 k of a column.

  /// Of bf16, 16 k: A in registers, B in shared memory, its rows along k, not swizzled.
  struct Product {
    uint32_t number, group, columns;
    uint32_t a[WarpThreads][4];
    const uint8_t *b;
    uint64_t leading, stride; ///< Bytes from 8 k to the next ones; from 8 columns to the next.
    /// The product that it adds to, and else the sums, of lane and register.
    uint32_t source = 0;
    std::vector<float> sums;

    /// Where 8 k of a column are.
    const uint8_t *rowOf(uint32_t half, uint32_t column) const {
      return b + half * leading + column / 8 * stride + column % 8 * RowBytes;
    }
  };

  bool isIdle() const { return open.empty(); }
  uint64_t issued() const { return count; }

  // Each gives what is wrong, or nothing.
  std::string issue(const WarpLanes &lanes);
  void fence() { fenced = true; }
  void closeGroup();
  void wait(uint32_t groupsLeft);
  /// Puts sums that have come in the place of their names.
  std::string resolve(const WarpLanes &lanes, uint32_t words);

private:
  std::string readSums(const WarpLanes &lanes, Product &product);
  void compute(Product &product);

  std::vector<Product> open; ///< In order.
  std::map<uint32_t, std::vector<float>> done;
  uint64_t count = 0; ///< Of all.
  uint32_t openGroup = 0;
  bool fenced = false;
};

// Operations of a warp (WarpOps.h); `detail` in what.
/// Words of A, of the descriptor, then sums of `detail` columns.
void multiplyWarpgroup(const WarpLanes &lanes);
void fenceWarpgroup(const WarpLanes &lanes);
void closeWarpgroupProducts(const WarpLanes &lanes);
/// `detail` groups are left.
void waitForWarpgroupProducts(const WarpLanes &lanes);
/// Likewise, of its upper half; as many words of sums as its lower half says go through.
void finishWarpgroupSums(const WarpLanes &lanes);

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_WARPGROUPOPS_H
