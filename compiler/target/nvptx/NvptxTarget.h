//===- NvptxTarget.h - NVIDIA GPUs that code is made for --------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_NVPTXTARGET_H
#define LATHE_COMPILER_TARGET_NVPTX_NVPTXTARGET_H

#include "compiler/target/DeviceTarget.h"

namespace lathe::compiler {

/// GPUs of one generation.  `version` is the PTX ISA that its text is written in, the
/// least one that has what the kernels use: drivers read all up to their own.  `driverText`
/// is the output that the driver loads.
class NvptxTarget final : public DeviceTarget {
public:
  NvptxTarget(std::string chip, int version)
      : DeviceTarget(chip), chip(std::move(chip)), version(version), driverText("ptx") {}
  NvptxTarget(std::string name, std::string chip, int version, std::string driverText)
      : DeviceTarget(std::move(name)), chip(std::move(chip)), version(version),
        driverText(std::move(driverText)) {}

  const std::string chip; ///< As LLVM names it.
  const int version;      ///< 71 for "+ptx71".
  const std::string driverText;

  /// Bulk copies, mbarriers and wgmma, which other generations do not have.
  bool hasWarpgroups() const { return chip == "sm_90a"; }
  /// Shared memory that a block may use, on every GPU that the code runs on.
  int64_t sharedBytes() const { return (hasWarpgroups() ? 224 : 96) * 1024; }

  void findUnsupported(mlir::ModuleOp module, llvm::StringRef kvType, Tell tell) const override;
  void addKernels(mlir::OpPassManager &passes) const override;
  /// "resources": what the kernels take of a processor, as JSON (docs/gpu.md).
  std::vector<std::string> outputs() const override;
  std::string missingTool(llvm::StringRef output) const override;
  llvm::StringRef image() const override { return driverText; }
  llvm::Expected<std::string> generate(mlir::ModuleOp module, llvm::StringRef output,
                                       bool timing) const override;
  llvm::Expected<std::unique_ptr<DeviceKernels>> load(mlir::ModuleOp module) const override;
};

/// The registered target of that name, or null.
const NvptxTarget *findNvptxTarget(llvm::StringRef name);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_NVPTXTARGET_H
