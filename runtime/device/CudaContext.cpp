//===- CudaContext.cpp - A GPU that is in use -------------------------------===//

#include "runtime/device/CudaContext.h"

#include "runtime/support/Text.h"

#include <algorithm>

using namespace lathe;

//===----------------------------------------------------------------------===//
// CudaContext
//===----------------------------------------------------------------------===//

static bool findDevice(const CudaDriver &Driver, int Number, CudaDevice &Device,
                       Diagnostics &Diags) {
  unsigned ErrorsBefore = Diags.errorCount();
  std::vector<CudaDevice> All = Driver.devices(Diags);
  auto Found = std::ranges::find(All, Number, &CudaDevice::Number);
  if (Found == All.end()) {
    if (Diags.errorCount() == ErrorsBefore)
      Diags.error(853, "cuda:" + std::to_string(Number),
                  "found " + std::to_string(All.size()) + " GPUs, expected more than " +
                      std::to_string(Number),
                  "'lathe devices' lists those of this machine");
    return false;
  }
  Device = *Found;
  if (!Device.target().empty())
    return true;
  Diags.error(854, Device.id(),
              "found " + escapeControls(Device.Name) + " of compute capability " +
                  std::to_string(Device.Major) + "." + std::to_string(Device.Minor) +
                  ", expected 8.0 or later, with cooperative launches",
              "use another device, or --device cpu");
  return false;
}

std::shared_ptr<const CudaContext> CudaContext::open(int Number, Diagnostics &Diags) {
  std::shared_ptr<CudaContext> Context(new CudaContext);
  Context->Driver = CudaDriver::open(Diags);
  if (!Context->Driver || !findDevice(*Context->Driver, Number, Context->Device, Diags))
    return nullptr;
  std::optional<CudaRunFunctions> Functions = Context->Driver->runFunctions(Diags);
  if (!Functions)
    return nullptr;
  Context->Functions = *Functions;
  cuda::Handle Handle = nullptr;
  if (!Context->Driver->check(Functions->RetainContext(&Handle, Context->Device.Handle),
                              "cuDevicePrimaryCtxRetain", Diags))
    return nullptr;
  Context->Handle = Handle;
  return Context;
}

CudaContext::~CudaContext() {
  if (Handle)
    Functions.ReleaseContext(Device.Handle);
}

bool CudaContext::check(int Result, const char *Function, Diagnostics &Diags) const {
  if (Result == cuda::Success)
    return true;
  Diags.error(856, Device.id(),
              std::string(Function) + " gave " + Driver->resultText(Result) + ", expected success",
              "the sessions on this device are lost; --device cpu runs the same model");
  return false;
}

bool CudaContext::checkFree(uint64_t Bytes, const std::string &What, Diagnostics &Diags) const {
  size_t Free = 0, Total = 0;
  Use Current(*this);
  if (!check(Functions.GetMemoryInfo(&Free, &Total), "cuMemGetInfo", Diags))
    return false;
  if (Bytes <= Free)
    return true;
  Diags.error(855, Device.id(),
              "needs " + formatBytes(Bytes) + " for " + What + ", free " + formatBytes(Free) +
                  " of " + formatBytes(Total),
              "ask for a smaller context (--ctx) or fewer sequences, or use a smaller model");
  return false;
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

bool CudaMemory::allocate(const std::shared_ptr<const CudaContext> &Of, uint64_t Bytes,
                          const std::string &What, Diagnostics &Diags) {
  CudaMemory Fresh;
  if (Bytes != 0) {
    CudaContext::Use Current(*Of);
    int Result = Of->functions().Allocate(&Fresh.Start, Bytes);
    // In parts it may be more than there is in one piece.
    if (Result == cuda::OutOfMemory && Of->checkFree(Bytes, What, Diags))
      Diags.error(855, Of->device().id(),
                  "needs " + formatBytes(Bytes) + " in one piece for " + What,
                  "ask for a smaller context (--ctx) or fewer sequences");
    if (Result == cuda::OutOfMemory || !Of->check(Result, "cuMemAlloc", Diags))
      return false;
    Fresh.Context = Of;
    Fresh.Length = Bytes;
  }
  *this = std::move(Fresh);
  return true;
}

CudaMemory::~CudaMemory() {
  if (!Context)
    return;
  CudaContext::Use Current(*Context);
  Context->functions().Free(Start);
}

bool PinnedMemory::allocate(const std::shared_ptr<const CudaContext> &Of, size_t Bytes,
                            Diagnostics &Diags) {
  CudaContext::Use Current(*Of);
  void *Fresh = nullptr;
  if (!Of->check(Of->functions().AllocateHost(&Fresh, Bytes), "cuMemAllocHost", Diags))
    return false;
  PinnedMemory New;
  New.Context = Of;
  New.Start = static_cast<uint8_t *>(Fresh);
  *this = std::move(New);
  return true;
}

PinnedMemory::~PinnedMemory() {
  if (!Context)
    return;
  CudaContext::Use Current(*Context);
  Context->functions().FreeHost(Start);
}

//===----------------------------------------------------------------------===//
// CudaStream
//===----------------------------------------------------------------------===//

bool CudaStream::create(const std::shared_ptr<const CudaContext> &Of, Diagnostics &Diags) {
  CudaContext::Use Current(*Of);
  if (!Of->check(Of->functions().CreateStream(&Handle, cuda::StreamNonBlocking), "cuStreamCreate",
                 Diags))
    return false;
  Context = Of;
  return true;
}

CudaStream::~CudaStream() {
  if (!Context)
    return;
  CudaContext::Use Current(*Context);
  Context->functions().Synchronize(Handle);
  Context->functions().DestroyStream(Handle);
}

bool CudaStream::copyIn(cuda::Address To, const void *From, size_t Bytes,
                        Diagnostics &Diags) const {
  return Bytes == 0 || Context->check(Context->functions().CopyIn(To, From, Bytes, Handle),
                                      "cuMemcpyHtoDAsync", Diags);
}

bool CudaStream::copyOut(void *To, cuda::Address From, size_t Bytes, Diagnostics &Diags) const {
  return Bytes == 0 || Context->check(Context->functions().CopyOut(To, From, Bytes, Handle),
                                      "cuMemcpyDtoHAsync", Diags);
}

bool CudaStream::wait(Diagnostics &Diags) const {
  return Context->check(Context->functions().Synchronize(Handle), "cuStreamSynchronize", Diags);
}

//===----------------------------------------------------------------------===//
// CudaEvent
//===----------------------------------------------------------------------===//

bool CudaEvent::create(const std::shared_ptr<const CudaContext> &Of, Diagnostics &Diags) {
  CudaContext::Use Current(*Of);
  if (!Of->check(Of->functions().CreateEvent(&Handle, cuda::EventWithoutTime), "cuEventCreate",
                 Diags))
    return false;
  Context = Of;
  return true;
}

CudaEvent::~CudaEvent() {
  if (!Context)
    return;
  CudaContext::Use Current(*Context);
  Context->functions().DestroyEvent(Handle);
}

bool CudaEvent::record(const CudaStream &Stream, Diagnostics &Diags) const {
  return Context->check(Context->functions().RecordEvent(Handle, Stream.handle()), "cuEventRecord",
                        Diags);
}

bool CudaEvent::wait(Diagnostics &Diags) const {
  return Context->check(Context->functions().WaitForEvent(Handle), "cuEventSynchronize", Diags);
}
