//===- Emulator.h - Runs GPU kernels on the CPU -----------------*- C++ -*-===//
//
// Takes the LLVM IR of kernels as it goes to the NVPTX backend, turns its NVVM
// intrinsics into calls, compiles the rest for this machine and runs every CUDA thread
// as a fiber, one at a time and in an order drawn from a seed.  Shared memory starts
// full of ones, NaN in every float format.  A race, a deadlock, or an operation that
// not all lanes of a warp take part in is an error.
//
// What it does not show: the memory model's other weaknesses, time, and what the
// backend and the driver make of the IR.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_CUEMU_EMULATOR_H
#define LATHE_COMPILER_CUEMU_EMULATOR_H

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace lathe::cuemu {

struct Launch {
  uint32_t blocks = 1, threads = 1; ///< A cooperative grid of one dimension.
  uint64_t sharedBytes = 0;
  uint64_t seed = 1; ///< Of the order of threads.
  /// What is wrong with these bytes as memory of the device, or "": asked of every access
  /// that is checked but those to shared memory.  Null: nothing is.
  std::function<std::string(const void *address, uint64_t bytes)> findFault = {};
};

class Emulator {
public:
  /// `module` is for NVPTX; its shared memory is the external array `sharedName`.  With
  /// `checksRaces` every access to memory is checked, which takes ten times as long.
  /// Fails when the module uses an operation without a meaning here.
  static llvm::Expected<std::unique_ptr<Emulator>>
  create(std::unique_ptr<llvm::Module> module, std::unique_ptr<llvm::LLVMContext> context,
         llvm::StringRef sharedName, bool checksRaces);
  ~Emulator();

  bool hasKernel(llvm::StringRef name) const;
  /// Runs a kernel of one pointer to its end.
  llvm::Error run(llvm::StringRef kernel, const Launch &launch, void *argument);

private:
  Emulator(std::unique_ptr<llvm::orc::LLJIT> code, bool checksRaces);

  std::unique_ptr<llvm::orc::LLJIT> code;
  bool checksRaces;
};

} // namespace lathe::cuemu

#endif // LATHE_COMPILER_CUEMU_EMULATOR_H
