//===- CudaCode.cpp - A program and its weights on a GPU -------------------===//

#include "runtime/device/CudaCode.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <cstring>

using namespace lathe;

std::shared_ptr<const CudaCode> CudaCode::create(std::shared_ptr<const CudaContext> Context,
                                                 std::shared_ptr<const Program> Code,
                                                 const WeightStore &Weights, Diagnostics &Diags) {
  std::shared_ptr<CudaCode> Result(new CudaCode(std::move(Context), std::move(Code)));
  if (!Result->loadKernels(Diags) || !Result->upload(Weights, Diags))
    return nullptr;
  return Result;
}

CudaCode::~CudaCode() {
  if (!Module)
    return;
  CudaContext::Use Current(*Context);
  Context->functions().UnloadModule(Module);
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

bool CudaCode::loadKernels(Diagnostics &Diags) {
  CudaContext::Use Current(*Context);
  char Log[2048] = {};
  int Options[] = {cuda::OptionErrorLog, cuda::OptionErrorLogBytes};
  // The driver wants numbers in place of pointers.
  void *Values[] = {Log, reinterpret_cast<void *>(sizeof(Log) - 1)};
  int Result = Context->functions().LoadModule(&Module, Code->deviceCode(), std::size(Options),
                                               Options, Values);
  if (Result != cuda::Success) {
    Module = nullptr;
    Diags.error(854, Context->device().id(),
                "does not take the kernels for " + Code->manifest().Target +
                    ": cuModuleLoadDataEx "
                    "gave " +
                    Context->driver().resultText(Result) +
                    (Log[0] ? ": " + escapeControls(Log) : ""),
                "compile for its own target, which 'lathe devices' tells, or use a newer driver");
    return false;
  }
  Kernels.resize(Code->manifest().Entries.size());
  for (size_t I = 0; I < Kernels.size(); ++I)
    if (!findKernel("lathe_entry_" + Code->manifest().Entries[I].Name, Kernels[I], Diags))
      return false;
  return true;
}

bool CudaCode::findKernel(const std::string &Name, CudaKernel &Kernel, Diagnostics &Diags) const {
  const CudaRunFunctions &Functions = Context->functions();
  const ManifestLaunch &Launch = Code->manifest().Launch;
  int PerProcessor = 0;
  if (!Context->check(Functions.GetFunction(&Kernel.Function, Module, Name.c_str()),
                      "cuModuleGetFunction", Diags) ||
      !Context->check(Functions.SetFunctionAttribute(Kernel.Function,
                                                     cuda::FunctionDynamicSharedBytes,
                                                     static_cast<int>(Launch.SharedBytes)),
                      "cuFuncSetAttribute", Diags) ||
      !Context->check(Functions.GetOccupancy(&PerProcessor, Kernel.Function,
                                             static_cast<int>(Launch.Threads),
                                             static_cast<size_t>(Launch.SharedBytes)),
                      "cuOccupancyMaxActiveBlocksPerMultiprocessor", Diags))
    return false;
  Kernel.Blocks = static_cast<unsigned>(PerProcessor * Context->device().Processors);
  if (Kernel.Blocks != 0)
    return true;
  Diags.error(854, Context->device().id(),
              "has no room for a block of " + std::to_string(Launch.Threads) + " threads and " +
                  formatBytes(static_cast<uint64_t>(Launch.SharedBytes)) + " of shared memory",
              "use another device, or --device cpu");
  return false;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

namespace {

/// Copies much through little: one half of the buffer is filled while the GPU takes
/// the other.
class Staging {
public:
  static constexpr size_t HalfBytes = size_t(8) << 20;

  bool create(const std::shared_ptr<const CudaContext> &Context, Diagnostics &Diags) {
    return Stream.create(Context, Diags) && Buffer.allocate(Context, 2 * HalfBytes, Diags);
  }
  /// `Done` is told of the bytes that are not needed any more.
  template <typename Callable>
  bool copy(cuda::Address To, const uint8_t *From, size_t Bytes, Diagnostics &Diags, Callable Done);
  bool finish(Diagnostics &Diags) { return Stream.wait(Diags); }

private:
  PinnedMemory Buffer;
  CudaStream Stream; ///< Ends ahead of what it copies from.
  bool Second = false;
};

} // namespace

template <typename Callable>
bool Staging::copy(cuda::Address To, const uint8_t *From, size_t Bytes, Diagnostics &Diags,
                   Callable Done) {
  for (size_t Offset = 0; Offset < Bytes; Offset += HalfBytes) {
    size_t Count = std::min(HalfBytes, Bytes - Offset);
    uint8_t *Half = Buffer.data() + (Second ? HalfBytes : 0);
    std::memcpy(Half, From + Offset, Count);
    Done(Offset, Count);
    // What was copied from the other half before is there; now that may be filled.
    if (!Stream.wait(Diags) || !Stream.copyIn(To + Offset, Half, Count, Diags))
      return false;
    Second = !Second;
  }
  return true;
}

bool CudaCode::upload(const WeightStore &From, Diagnostics &Diags) {
  std::span<const uint8_t> Packed = From.packed();
  auto Count = static_cast<size_t>(Code->manifest().WeightTableSize);
  if (!Weights.allocate(Context, Packed.size(), "weights", Diags) ||
      !Table.allocate(Context, Count * sizeof(cuda::Address), "weights", Diags))
    return false;
  std::vector<cuda::Address> Addresses;
  for (size_t I = 0; I < Count; ++I)
    Addresses.push_back(Weights.address() + (From.table()[I] - Packed.data()));
  CudaContext::Use Current(*Context);
  Staging Stage;
  return Stage.create(Context, Diags) &&
         Stage.copy(Weights.address(), Packed.data(), Packed.size(), Diags,
                    [&](size_t Offset, size_t Bytes) { From.release(Offset, Bytes); }) &&
         Stage.copy(Table.address(), reinterpret_cast<const uint8_t *>(Addresses.data()),
                    Table.size(), Diags, [](size_t, size_t) {}) &&
         Stage.finish(Diags);
}
