//===- MemoryNeed.cpp - Whether a model fits --------------------*- C++ -*-===//

#include "runtime/session/MemoryNeed.h"

#include "runtime/session/SystemMemory.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/Text.h"
#include "runtime/weights/Packer.h"

#include <algorithm>
#include <limits>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace lathe {

static constexpr uint64_t Unlimited = std::numeric_limits<uint64_t>::max();

static uint64_t sum(uint64_t Left, uint64_t Right) {
  return checkedAdd(Left, Right).value_or(Unlimited);
}

static uint64_t product(uint64_t Left, uint64_t Right) {
  return checkedMul(Left, Right).value_or(Unlimited);
}

static uint64_t roundUp(uint64_t Value, uint64_t Alignment) {
  return checkedAlign(Value, Alignment).value_or(Unlimited);
}

/// Packed bytes of one tensor of `Weight` (docs/layouts.md).
static uint64_t packedBytes(const ManifestWeight &Weight) {
  constexpr uint64_t Alignment = 64;
  if (Weight.Layout == WeightLayout::Vector)
    return roundUp(product(static_cast<uint64_t>(Weight.Shape[0]), sizeof(float)), Alignment);
  if (Weight.Layout == WeightLayout::Plain) {
    auto Bytes = static_cast<uint64_t>(Weight.Format->BlockBytes);
    for (int64_t Size : Weight.Shape)
      Bytes = product(Bytes, static_cast<uint64_t>(Size));
    return roundUp(Bytes, Alignment);
  }
  int64_t PanelBytes = packedPanelBytes(*Weight.Format, Weight.columns()) +
                       packedTailBytes(*Weight.Format, Weight.columns());
  return roundUp(
      product(static_cast<uint64_t>(panelCount(Weight.rows())), static_cast<uint64_t>(PanelBytes)),
      Alignment);
}

MemoryNeed memoryNeed(const Manifest &Code, uint64_t Context, uint64_t Sequences) {
  MemoryNeed Need;
  Need.Context = roundUp(Context != 0 ? Context : static_cast<uint64_t>(Code.Model.Context),
                         KVPositionGranule);
  Need.Sequences = Sequences;
  Need.KV =
      product(product(Need.Context, Sequences), static_cast<uint64_t>(Code.KVBytesPerPosition));
  for (const ManifestWeight &Each : Code.Weights)
    Need.Weights =
        sum(Need.Weights, product(static_cast<uint64_t>(Each.tensorCount()), packedBytes(Each)));
  for (const ManifestEntry &Each : Code.Entries) {
    Need.Arena = std::max(Need.Arena, static_cast<uint64_t>(Each.ArenaBytes));
    Need.ScratchPerWorker =
        std::max(Need.ScratchPerWorker, static_cast<uint64_t>(Each.ScratchBytes));
  }
  return Need;
}

/// Values that one position of a sequence adds to the KV cache: the rows of all
/// key and value projections.  The tensors are there; hyper-parameters may say
/// anything as long as the importer has not seen them.
static uint64_t valuesPerPosition(const GGUFFile &File) {
  uint64_t Values = 0;
  for (const GGUFTensor &Each : File.tensors())
    if (Each.Name.ends_with(".attn_k.weight") || Each.Name.ends_with(".attn_v.weight"))
      Values = sum(Values, static_cast<uint64_t>(Each.Shape.front()));
  return Values;
}

MemoryNeed estimateMemoryNeed(const GGUFFile &File, uint64_t Context, uint64_t Sequences) {
  // The smallest element that a KV cache may have is of 8 bits.
  constexpr uint64_t ElementBytes = 1;
  std::string Architecture(File.getString("general.architecture").value_or(""));
  MemoryNeed Need;
  Need.Context =
      Context != 0 ? Context : File.getUInt(Architecture + ".context_length").value_or(0);
  Need.Context = roundUp(Need.Context, KVPositionGranule);
  Need.Sequences = Sequences;
  Need.KV =
      product(product(Need.Context, Sequences), product(valuesPerPosition(File), ElementBytes));
  for (const GGUFTensor &Each : File.tensors())
    Need.Weights = sum(Need.Weights, Each.Bytes);
  return Need;
}

MemoryLimits MemoryLimits::current() {
  AvailableMemory Available = availableMemory();
  MemoryLimits Limits = {Unlimited, Available.Bytes, Available.Source};
  rlimit Limit;
  if (getrlimit(RLIMIT_AS, &Limit) != 0 || Limit.rlim_cur == RLIM_INFINITY)
    return Limits;
  uint64_t Used = checkedMul(readNumber("/proc/self/status", "VmSize"), 1024).value_or(0);
  Limits.AddressSpace = Limit.rlim_cur - std::min<uint64_t>(Used, Limit.rlim_cur);
  return Limits;
}

bool checkCompilerMemory(uint64_t FileBytes, const MemoryLimits &Limits, Diagnostics &Diags) {
  // LLVM and MLIR are 300 MiB of libraries; the compiler maps the file once more.
  uint64_t Needed = sum(uint64_t(512) << 20, FileBytes);
  if (Needed <= Limits.AddressSpace)
    return true;
  Diags.error(810, "compiler",
              "needs " + formatBytes(Needed) + " of address space, limit " +
                  formatBytes(Limits.AddressSpace) + " (what 'ulimit -v' leaves)",
              "compile once without the limit: the program is then found in the cache");
  return false;
}

bool checkMemory(const MemoryNeed &Need, uint64_t Workers, bool FillsContext,
                 const MemoryLimits &Limits, Diagnostics &Diags) {
  uint64_t Steps = sum(Need.Arena, product(Need.ScratchPerWorker, Workers));
  uint64_t Touched = sum(Need.Weights, Steps), All = sum(Touched, Need.KV);
  std::string Parts = " (weights " + formatBytes(Need.Weights) + ", KV cache of " +
                      std::to_string(Need.Context) + " positions " + formatBytes(Need.KV) +
                      (Steps != 0 ? ", arena " + formatBytes(Steps) : "") + ")";
  const char *Hint = "ask for a smaller context (--ctx) or fewer sequences, or use a smaller model";
  if (All > Limits.AddressSpace) {
    Diags.error(810, "address space",
                "needs " + formatBytes(All) + Parts + ", limit " +
                    formatBytes(Limits.AddressSpace) + " (what 'ulimit -v' leaves)",
                Hint);
    return false;
  }
  uint64_t Resident = FillsContext ? All : Touched;
  if (Resident <= Limits.Available)
    return true;
  Diags.error(810, "memory",
              "needs " + formatBytes(Resident) + Parts + ", limit " +
                  formatBytes(Limits.Available) + " (" + Limits.Source + ")",
              Hint);
  return false;
}

} // namespace lathe
