//===- CudaContext.h - A GPU that is in use ---------------------*- C++ -*-===//

#ifndef LATHE_RUNTIME_DEVICE_CUDACONTEXT_H
#define LATHE_RUNTIME_DEVICE_CUDACONTEXT_H

#include "runtime/device/CudaDriver.h"
#include "runtime/support/Diagnostics.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace lathe {

/// The primary context of a GPU, which all that use it in this process share.
/// Thread-safe.
class CudaContext {
public:
  /// Null with E0850 to E0854.
  static std::shared_ptr<const CudaContext> open(int Number, Diagnostics &Diags);
  CudaContext(const CudaContext &) = delete;
  CudaContext &operator=(const CudaContext &) = delete;
  ~CudaContext();

  const CudaDevice &device() const { return Device; }
  const CudaDriver &driver() const { return *Driver; }
  const CudaRunFunctions &functions() const { return Functions; }

  /// While one lives, the calling thread's functions are of this context; the program
  /// around us may have one of its own.
  class Use {
  public:
    explicit Use(const CudaContext &Context) : Context(Context) {
      Context.Functions.PushContext(Context.Handle);
    }
    Use(const Use &) = delete;
    Use &operator=(const Use &) = delete;
    ~Use() {
      cuda::Handle Popped;
      Context.Functions.PopContext(&Popped);
    }

  private:
    const CudaContext &Context;
  };

  /// False with E0856 when a function that a step needs gave another result than success.
  bool check(int Result, const char *Function, Diagnostics &Diags) const;
  /// False with E0855 when the GPU has not `Bytes` left; `What` needs them.
  bool checkFree(uint64_t Bytes, const std::string &What, Diagnostics &Diags) const;

private:
  CudaContext() = default;

  std::unique_ptr<CudaDriver> Driver;
  CudaDevice Device;
  CudaRunFunctions Functions;
  cuda::Handle Handle = nullptr;
};

/// Memory of a GPU.
class CudaMemory {
public:
  CudaMemory() = default;
  CudaMemory(CudaMemory &&Other) noexcept { *this = std::move(Other); }
  CudaMemory &operator=(CudaMemory &&Other) noexcept {
    std::swap(Context, Other.Context);
    std::swap(Start, Other.Start);
    std::swap(Length, Other.Length);
    return *this;
  }
  ~CudaMemory();

  /// `Bytes` of anything for `What`; 0 gives the address 0.  False with E0855, and then
  /// this is as it was.
  bool allocate(const std::shared_ptr<const CudaContext> &Of, uint64_t Bytes,
                const std::string &What, Diagnostics &Diags);

  cuda::Address address() const { return Start; }
  uint64_t size() const { return Length; }

private:
  std::shared_ptr<const CudaContext> Context;
  cuda::Address Start = 0;
  uint64_t Length = 0;
};

/// Memory of this process that a GPU copies from and to by itself.
class PinnedMemory {
public:
  PinnedMemory() = default;
  PinnedMemory(PinnedMemory &&Other) noexcept { *this = std::move(Other); }
  PinnedMemory &operator=(PinnedMemory &&Other) noexcept {
    std::swap(Context, Other.Context);
    std::swap(Start, Other.Start);
    return *this;
  }
  ~PinnedMemory();

  /// False with E0856.
  bool allocate(const std::shared_ptr<const CudaContext> &Of, size_t Bytes, Diagnostics &Diags);
  uint8_t *data() const { return Start; }

private:
  std::shared_ptr<const CudaContext> Context;
  uint8_t *Start = nullptr;
};

/// What a GPU does one after the other.
class CudaStream {
public:
  CudaStream() = default;
  CudaStream(const CudaStream &) = delete;
  CudaStream &operator=(const CudaStream &) = delete;
  ~CudaStream();

  /// False with E0856, as of all below.
  bool create(const std::shared_ptr<const CudaContext> &Of, Diagnostics &Diags);
  /// Of pinned memory, which must stay as it is until `wait`; of other memory at once.
  bool copyIn(cuda::Address To, const void *From, size_t Bytes, Diagnostics &Diags) const;
  bool copyOut(void *To, cuda::Address From, size_t Bytes, Diagnostics &Diags) const;
  bool wait(Diagnostics &Diags) const;
  cuda::Handle handle() const { return Handle; }

private:
  std::shared_ptr<const CudaContext> Context;
  cuda::Handle Handle = nullptr;
};

/// A place among what a stream does.
class CudaEvent {
public:
  CudaEvent() = default;
  CudaEvent(const CudaEvent &) = delete;
  CudaEvent &operator=(const CudaEvent &) = delete;
  ~CudaEvent();

  /// False with E0856, as of all below.
  bool create(const std::shared_ptr<const CudaContext> &Of, Diagnostics &Diags);
  /// Stands behind all that `Stream` was given so far.
  bool record(const CudaStream &Stream, Diagnostics &Diags) const;
  /// Until all ahead of it is done.
  bool wait(Diagnostics &Diags) const;

private:
  std::shared_ptr<const CudaContext> Context;
  cuda::Handle Handle = nullptr;
};

} // namespace lathe

#endif // LATHE_RUNTIME_DEVICE_CUDACONTEXT_H
