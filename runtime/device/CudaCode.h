//===- CudaCode.h - A program and its weights on a GPU ----------*- C++ -*-===//

#ifndef LATHE_RUNTIME_DEVICE_CUDACODE_H
#define LATHE_RUNTIME_DEVICE_CUDACODE_H

#include "runtime/device/CudaContext.h"
#include "runtime/session/Program.h"
#include "runtime/weights/WeightStore.h"

#include <memory>
#include <vector>

namespace lathe {

/// The kernel of an entry.
struct CudaKernel {
  cuda::Handle Function = nullptr;
  unsigned Blocks = 0; ///< As many as the GPU holds at once.
};

/// Kernels and weights in a GPU's memory, which nothing writes any more: several
/// sessions share them.
class CudaCode {
public:
  /// Loads the kernels of `Code` and copies `Weights`, whose pages are given back on the
  /// way.  Null with E0854 when the driver does not take the kernels, E0855 or E0856.
  static std::shared_ptr<const CudaCode> create(std::shared_ptr<const CudaContext> Context,
                                                std::shared_ptr<const Program> Code,
                                                const WeightStore &Weights, Diagnostics &Diags);
  CudaCode(const CudaCode &) = delete;
  CudaCode &operator=(const CudaCode &) = delete;
  ~CudaCode();

  const std::shared_ptr<const CudaContext> Context;
  const std::shared_ptr<const Program> Code;

  /// One per entry of the manifest.
  const CudaKernel &kernel(size_t Entry) const { return Kernels[Entry]; }
  /// lathe_step_args::weights, in the GPU's memory.
  cuda::Address weightTable() const { return Table.address(); }
  uint64_t weightBytes() const { return Weights.size() + Table.size(); }

private:
  CudaCode(std::shared_ptr<const CudaContext> Context, std::shared_ptr<const Program> Code)
      : Context(std::move(Context)), Code(std::move(Code)) {}
  bool loadKernels(Diagnostics &Diags);
  bool findKernel(const std::string &Name, CudaKernel &Kernel, Diagnostics &Diags) const;
  bool upload(const WeightStore &From, Diagnostics &Diags);

  cuda::Handle Module = nullptr;
  std::vector<CudaKernel> Kernels;
  CudaMemory Weights, Table;
};

} // namespace lathe

#endif // LATHE_RUNTIME_DEVICE_CUDACODE_H
