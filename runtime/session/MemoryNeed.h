//===- MemoryNeed.h - Whether a model fits ----------------------*- C++ -*-===//
//
// What a session takes, told before it is taken: a machine that is out of
// memory kills processes, and a limit of address space ends LLVM in an abort.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_MEMORYNEED_H
#define LATHE_RUNTIME_SESSION_MEMORYNEED_H

#include "runtime/formats/GGUF.h"
#include "runtime/session/Manifest.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <string>

namespace lathe {

/// Bytes, saturating.  The KV cache is address space that becomes resident only
/// as far as it is used; the others are touched as a whole.
struct MemoryNeed {
  uint64_t Context = 0;   ///< Positions of a sequence, rounded up to 256.
  uint64_t Sequences = 1; ///< KV counts all of them.
  uint64_t Weights = 0, KV = 0, Arena = 0, ScratchPerWorker = 0;
};

/// What `Sequences` sequences of `Context` positions on `Code` take; `Context`
/// = 0: the model's own.
MemoryNeed memoryNeed(const Manifest &Code, uint64_t Context, uint64_t Sequences);

/// The same before there is a program: never more than its program will need.
/// What the file does not tell counts as nothing.
MemoryNeed estimateMemoryNeed(const GGUFFile &File, uint64_t Context, uint64_t Sequences);

struct MemoryLimits {
  uint64_t AddressSpace; ///< What RLIMIT_AS leaves to this process; UINT64_MAX: no limit.
  uint64_t Available;    ///< Physical memory that can be had; UINT64_MAX: unknown.
  std::string Source = "what the system has available"; ///< Who limits it, for messages.

  static MemoryLimits current();
};

/// E0810, and false, when `Need` cannot be met: all of it within the address
/// space, and all but the KV cache within the available memory, with it when
/// `FillsContext` says that every position will be used.
bool checkMemory(const MemoryNeed &Need, uint64_t Workers, bool FillsContext,
                 const MemoryLimits &Limits, Diagnostics &Diags);

/// E0810, and false, when the limit of address space is too low for compiling a
/// model file of `FileBytes`; LLVM would end the process.
bool checkCompilerMemory(uint64_t FileBytes, const MemoryLimits &Limits, Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_MEMORYNEED_H
