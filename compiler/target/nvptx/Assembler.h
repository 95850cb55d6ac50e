//===- Assembler.h - NVIDIA's assembler, where it is installed --*- C++ -*-===//
//
// ptxas turns PTX into the code of one generation of GPUs.  It is a program of NVIDIA's
// toolkit that nothing here needs: drivers have an assembler of their own.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_ASSEMBLER_H
#define LATHE_COMPILER_TARGET_NVPTX_ASSEMBLER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace lathe::compiler {

/// What a kernel takes of a processor, as the assembler tells.
struct KernelResources {
  std::string name;
  int64_t registers = 0;                   ///< Of a thread.
  int64_t stackBytes = 0;                  ///< Likewise, with those of the functions it calls.
  int64_t spillStores = 0, spillLoads = 0; ///< Bytes, of the kernel and of all functions it calls.
};

/// The kernels of a text, assembled.
struct AssembledKernels {
  std::string cubin;
  std::vector<KernelResources> kernels;
};

/// The program: that of LATHE_PTXAS, of the folder `bin` of CUDA_HOME or CUDA_PATH, or of PATH;
/// empty where there is none.
std::string findAssembler();

/// Fails with what the assembler says.
llvm::Expected<AssembledKernels> assemble(llvm::StringRef assembler, llvm::StringRef ptx,
                                          llvm::StringRef chip);

/// Reads what `ptxas -v` prints.
std::vector<KernelResources> readResources(llvm::StringRef log);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_ASSEMBLER_H
