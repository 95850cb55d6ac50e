//===- NvptxEmulation.cpp - Kernels for GPUs, run without one --------------===//

#include "compiler/cuemu/Emulator.h"
#include "compiler/target/nvptx/GpuContext.h"
#include "compiler/target/nvptx/NvptxCodegen.h"

#include "lathe/device_abi.h"

#include "mlir/IR/OwningOpRef.h"

#include <cstring>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

class EmulatedKernels final : public DeviceKernels {
public:
  EmulatedKernels(std::unique_ptr<cuemu::Emulator> emulator, uint64_t sharedBytes)
      : emulator(std::move(emulator)), sharedBytes(sharedBytes) {}

  bool hasEntry(StringRef name) const override {
    return emulator->hasKernel(("lathe_entry_" + name).str());
  }

  llvm::Error run(StringRef entry, lathe_step_args args, int64_t blocks) override {
    std::memset(args.scratch, 0, LATHE_DEVICE_ZERO_BYTES);
    cuemu::Launch launch{static_cast<uint32_t>(blocks), BlockThreads, sharedBytes, ++launches};
    return emulator->run(("lathe_entry_" + entry).str(), launch, &args);
  }

private:
  std::unique_ptr<cuemu::Emulator> emulator;
  const uint64_t sharedBytes;
  uint64_t launches = 0; ///< Each has its own order of threads.
};

} // namespace

llvm::Expected<std::unique_ptr<DeviceKernels>> NvptxTarget::load(ModuleOp module) const {
  OwningOpRef<ModuleOp> copy(module.clone());
  auto context = std::make_unique<llvm::LLVMContext>();
  auto ir = translateGpuKernels(*copy, *this, *context);
  if (!ir)
    return ir.takeError();
  auto emulator = cuemu::Emulator::create(std::move(*ir), std::move(context), SharedMemoryName,
                                          /*checksRaces=*/true);
  if (!emulator)
    return emulator.takeError();
  return std::make_unique<EmulatedKernels>(std::move(*emulator), sharedBytes());
}
