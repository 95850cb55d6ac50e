//===- KernelRunner.h - Runs the kernels of a module in process -*- C++ -*-===//
//
// Calls compiled entries as runtime/include/lathe/abi.h says, without a model
// file.  For `--verify-each-pass`, never for inference.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_DRIVER_KERNELRUNNER_H
#define LATHE_COMPILER_DRIVER_KERNELRUNNER_H

#include "compiler/driver/Link.h"
#include "compiler/reference/Random.h"
#include "compiler/reference/ReferenceRunner.h"
#include "compiler/target/DeviceTarget.h"
#include "dialects/Step/StepOps.h"
#include "runtime/support/MappedMemory.h"
#include "runtime/workers/WorkerPool.h"

#include "lathe/abi.h"

#include "llvm/ADT/StringMap.h"

#include <memory>
#include <string>
#include <vector>

namespace lathe::compiler {

/// One call of an entry: rows of one or two sequences.
struct KernelStep {
  std::string entry;
  std::vector<int32_t> tokens, positions, sequences; ///< One for each row.
  std::vector<int32_t> logitsRows;                   ///< Rows that want logits.
  std::vector<int32_t> layerRuns;                    ///< 0 for layers that are left out.
  std::vector<float> exitAt;                         ///< As in lathe_step_args.
  std::vector<int32_t> widths;                       ///< As in lathe_step_args.
  int64_t wantedLogits = 0;                          ///< As in lathe_step_args.
};

/// What the calls of a module's programs need to know of them.
struct KernelFacts {
  static constexpr int64_t sequences = 2, capacity = 512;

  explicit KernelFacts(mlir::ModuleOp module);

  struct Entry {
    std::string name;
    int64_t maxRows, arenaBytes;
  };
  std::vector<Entry> entries;               ///< Ascending by maxRows.
  int64_t tokens = 2;                       ///< Rows of the smallest embedding table.
  int64_t positions = capacity;             ///< And of the smallest table of positions.
  bool isEncoder = false;                   ///< No cache: steps are of whole texts.
  int64_t vocabulary = 0;                   ///< Logits of a row.
  int64_t layers = 0;                       ///< Of the largest stack.
  llvm::SmallVector<ir::LayerWidth> widths; ///< Of these layers.
  int64_t bytesPerPosition = 0;             ///< Of a sequence's slab of the KV cache.
};

/// Calls that go on with two sequences: a long chunk and short ones, single rows
/// by the smallest and by the largest entry, and a step without logits.  Every other
/// one leaves layers out.  Those of an encoder hold one text or several, of one row too.
std::vector<KernelStep> makeKernelSteps(const KernelFacts &facts, Random random);

/// The kernels of one module, linked into this process.
class KernelRunner {
public:
  /// Compiles a copy of `module`, which is at the stage of kernels and for a
  /// target that this machine runs. Emits an error and gives null on failure.
  static std::unique_ptr<KernelRunner> create(mlir::ModuleOp module, const KernelFacts &facts);

  /// The logits of each step, starting with an empty cache, by so many workers, or
  /// blocks of a device. The arena and the scratch memory are full of NaN ahead of
  /// every step, so that reading what was not written shows. Emits an error at
  /// `loc` when an entry fails.
  llvm::FailureOr<std::vector<ReferenceArray>> run(mlir::Location loc,
                                                   llvm::ArrayRef<KernelStep> steps,
                                                   const uint8_t *const *weights, unsigned workers);

  /// What one worker told of the latest step: as lathe_step_args::head_report.
  struct HeadReport {
    int64_t rows, whole;
    int64_t unused[LATHE_HEAD_REPORT_BYTES / sizeof(int64_t) - 2];
  };
  llvm::ArrayRef<HeadReport> headReports() const { return reports; }

private:
  explicit KernelRunner(const KernelFacts &facts) : facts(facts) {}
  llvm::Error load(mlir::ModuleOp module);
  llvm::Error readManifest(llvm::StringRef text);
  bool hasEntry(llvm::StringRef name);
  bool allocate(unsigned workers);
  llvm::Error call(const KernelStep &step, lathe_step_args &args, WorkerPool &pool);
  llvm::Error callDevice(const KernelStep &step, lathe_step_args &args, int64_t blocks);
  llvm::Error checkGreatest(const lathe_step_args &args) const;

  const KernelFacts &facts;
  std::unique_ptr<LoadedObject> object;   ///< Of a CPU.
  std::unique_ptr<DeviceKernels> kernels; ///< Of another target.
  int64_t scratchStride = 0, slabBytes = 0;
  llvm::StringMap<int64_t> greatest; ///< Of a device's entries: as the manifest tells.
  uint64_t calls = 0;                ///< Of a device.
  std::vector<HeadReport> reports;
  MappedMemory arena, scratch, cache;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_KERNELRUNNER_H
