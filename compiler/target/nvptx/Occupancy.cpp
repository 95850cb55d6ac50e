//===- Occupancy.cpp - Blocks that a processor has room for ----------------===//

#include "compiler/target/nvptx/Occupancy.h"

#include "compiler/target/nvptx/GpuBuilder.h"

#include "llvm/Support/MathExtras.h"

#include <utility>

using namespace lathe::compiler;

static constexpr int64_t KiB = 1024;

const GpuKind *lathe::compiler::findGpuKind(llvm::StringRef chip) {
  static constexpr double tera = 1e12;
  static constexpr std::pair<llvm::StringLiteral, GpuKind> known[] = {
      {"sm_80",
       {{64 * KiB, 64, 32, 164 * KiB, 163 * KiB},
        {"A100 of 80 GB", 2.039 * tera, 624 * tera, 312 * tera, 19.5 * tera}}},
      {"sm_89",
       {{64 * KiB, 48, 24, 100 * KiB, 99 * KiB},
        {"L40S", 0.864 * tera, 733 * tera, 362 * tera, 91.6 * tera}}},
      {"sm_90a",
       {{64 * KiB, 64, 32, 228 * KiB, 227 * KiB},
        {"H200", 4.8 * tera, 1979 * tera, 989 * tera, 67 * tera}}},
  };
  for (const auto &[name, kind] : known)
    if (name == chip)
      return &kind;
  return nullptr;
}

Occupancy lathe::compiler::computeOccupancy(const ProcessorLimits &limits, int64_t threads,
                                            int64_t registers, int64_t sharedBytes) {
  // Registers are given to warps in units, and a warp has those of one of four parts of a
  // processor.
  constexpr int64_t parts = 4, registerUnit = 256, sharedUnit = 128, systemBytes = 1024;
  int64_t warps = llvm::divideCeil(threads, WarpThreads);
  int64_t ofWarp = llvm::alignTo(std::max<int64_t>(registers, 1) * WarpThreads, registerUnit);
  int64_t ofBlock = llvm::alignTo(sharedBytes, sharedUnit) + systemBytes;
  const std::pair<llvm::StringRef, int64_t> bounds[] = {
      {"warps", limits.warps / warps},
      {"blocks", limits.blocks},
      {"registers", limits.registers / parts / ofWarp * parts / warps},
      {"shared memory", sharedBytes > limits.blockSharedBytes ? 0 : limits.sharedBytes / ofBlock},
  };
  Occupancy result;
  result.blocks = limits.blocks + 1;
  for (auto [name, blocks] : bounds)
    if (blocks < result.blocks) {
      result.blocks = blocks;
      result.limit = name;
    }
  result.share = static_cast<double>(result.blocks * warps) / static_cast<double>(limits.warps);
  return result;
}
