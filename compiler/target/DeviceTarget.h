//===- DeviceTarget.h - Processors that kernels are launched on -*- C++ -*-===//
//
// A target that is not the CPU of the process: GPUs.  It has its own pass for the
// stage of kernels, and its own way from there to text.  A family of targets is
// added by one file that registers its targets; the driver asks for them by name.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_DEVICETARGET_H
#define LATHE_COMPILER_TARGET_DEVICETARGET_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"

#include "lathe/abi.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace lathe::compiler {

/// Kernels of a device that this process can run, for `--verify-each-pass`.
class DeviceKernels {
public:
  virtual ~DeviceKernels() = default;
  virtual bool hasEntry(llvm::StringRef name) const = 0;
  /// Runs an entry on `blocks` blocks.  All memory is the caller's and the
  /// host's; `args.scratch` has room for the manifest's scratch_bytes.  Fails with
  /// what is wrong with the kernel: a race, a deadlock, an operation without a meaning.
  virtual llvm::Error run(llvm::StringRef entry, lathe_step_args args, int64_t blocks) = 0;
};

class DeviceTarget {
public:
  explicit DeviceTarget(std::string name) : name(std::move(name)) {}
  virtual ~DeviceTarget() = default;

  const std::string name; ///< As given to --target.

  /// Calls `tell` for everything in the module, at any stage, that has no kernels,
  /// and once more for a KV cache of elements `kvType`, as --kv-type names them.
  using Tell = llvm::function_ref<void(mlir::Location, const std::string &what)>;
  virtual void findUnsupported(mlir::ModuleOp module, llvm::StringRef kvType, Tell tell) const = 0;
  /// Adds the pass that turns step programs into kernels.
  virtual void addKernels(mlir::OpPassManager &passes) const = 0;
  /// What --emit can ask for behind the stage of kernels.
  virtual std::vector<std::string> outputs() const = 0;
  /// The program that such an output needs and that is not there, or "".
  virtual std::string missingTool(llvm::StringRef output) const { return {}; }
  /// The one of these that a driver loads, as text: a program is a library that holds it
  /// as `lathe_device_code` (abi.h).
  virtual llvm::StringRef image() const = 0;
  /// Turns a module at the stage of kernels, which is consumed, into such an output.  With
  /// `timing`, tables of where the time went go to standard error.
  virtual llvm::Expected<std::string> generate(mlir::ModuleOp module, llvm::StringRef output,
                                               bool timing) const = 0;
  /// Makes a copy of a module at the stage of kernels runnable here.
  virtual llvm::Expected<std::unique_ptr<DeviceKernels>> load(mlir::ModuleOp module) const = 0;
};

struct DeviceTargetRegistration {
  explicit DeviceTargetRegistration(std::unique_ptr<const DeviceTarget> target);
};

/// The registered target of that name, or null.
const DeviceTarget *findDeviceTarget(llvm::StringRef name);

/// All registered names, sorted.
std::vector<std::string> allDeviceTargets();

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_DEVICETARGET_H
