//===- NvptxTarget.h - NVIDIA GPUs that code is made for --------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_NVPTXTARGET_H
#define LATHE_COMPILER_TARGET_NVPTX_NVPTXTARGET_H

#include "compiler/target/DeviceTarget.h"

namespace lathe::compiler {

/// Memory of a step that the grid barrier counts in, which is zero when a kernel starts.
inline constexpr int64_t GridBarrierBytes = 64;

/// GPUs of one generation.  `version` is the PTX ISA that its text is written in, the
/// least one that has what the kernels use: drivers read all up to their own.
class NvptxTarget final : public DeviceTarget {
public:
  NvptxTarget(std::string chip, int version) : DeviceTarget(std::move(chip)), version(version) {}

  const int version; ///< 71 for "+ptx71".

  void findUnsupported(mlir::ModuleOp module, llvm::StringRef kvType, Tell tell) const override;
  void addKernels(mlir::OpPassManager &passes) const override;
  std::vector<std::string> outputs() const override { return {"ptx", "llvm"}; }
  llvm::Expected<std::string> generate(mlir::ModuleOp module,
                                       llvm::StringRef output) const override;
  llvm::Expected<std::unique_ptr<DeviceKernels>> load(mlir::ModuleOp module) const override;
};

/// The registered target of that name, or null.
const NvptxTarget *findNvptxTarget(llvm::StringRef name);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_NVPTXTARGET_H
