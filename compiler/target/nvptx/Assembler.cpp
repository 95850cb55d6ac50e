//===- Assembler.cpp - NVIDIA's assembler, where it is installed -----------===//

#include "compiler/target/nvptx/Assembler.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;
using namespace lathe::compiler;

static Error makeError(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

std::string lathe::compiler::findAssembler() {
  if (const char *given = std::getenv("LATHE_PTXAS"))
    return sys::fs::can_execute(given) ? given : "";
  SmallVector<std::string, 2> folders;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *root = std::getenv(variable)) {
      SmallString<128> folder(root);
      sys::path::append(folder, "bin");
      folders.push_back(folder.str().str());
    }
  for (const std::string &folder : folders)
    if (ErrorOr<std::string> found = sys::findProgramByName("ptxas", {folder}))
      return *found;
  ErrorOr<std::string> found = sys::findProgramByName("ptxas");
  return found ? *found : "";
}

//===----------------------------------------------------------------------===//
// What it prints
//===----------------------------------------------------------------------===//

/// The number in front of `unit` in a list such as "184 bytes stack frame, 0 bytes spill stores",
/// or behind `word` in "Used 255 registers"; 0 where there is none.
static int64_t numberAhead(StringRef line, StringRef unit) {
  auto [ahead, behind] = line.split(unit);
  if (ahead.size() == line.size())
    return 0;
  int64_t number = 0;
  ahead.rtrim()
      .take_back(ahead.rtrim().size() - (ahead.rtrim().find_last_not_of("0123456789") + 1))
      .getAsInteger(10, number);
  return number;
}

/// Each kernel begins with "Compiling entry function 'NAME'"; lines on it and on the functions that
/// it calls follow, and end with what it uses.
std::vector<KernelResources> lathe::compiler::readResources(StringRef log) {
  std::vector<KernelResources> kernels;
  while (!log.empty()) {
    StringRef line;
    std::tie(line, log) = log.split('\n');
    if (line.contains("Compiling entry function '")) {
      kernels.emplace_back().name = line.split('\'').second.split('\'').first.str();
      continue;
    }
    if (kernels.empty())
      continue;
    KernelResources &kernel = kernels.back();
    kernel.spillStores += numberAhead(line, "bytes spill stores");
    kernel.spillLoads += numberAhead(line, "bytes spill loads");
    kernel.registers = std::max(kernel.registers, numberAhead(line, "registers"));
    for (StringRef unit : {"bytes stack frame", "bytes cumulative stack size"})
      kernel.stackBytes = std::max(kernel.stackBytes, numberAhead(line, unit));
  }
  return kernels;
}

//===----------------------------------------------------------------------===//
// Running it
//===----------------------------------------------------------------------===//

namespace {

/// A file in memory, which another process opens by its name.
class MemoryFile {
public:
  explicit MemoryFile(const char *name) : descriptor(::memfd_create(name, MFD_CLOEXEC)) {}
  MemoryFile(const MemoryFile &) = delete;
  ~MemoryFile() {
    if (descriptor >= 0)
      ::close(descriptor);
  }

  bool isThere() const { return descriptor >= 0; }
  std::string path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(descriptor);
  }
  bool write(StringRef text) {
    raw_fd_ostream stream(descriptor, /*shouldClose=*/false);
    stream << text;
    stream.flush();
    bool good = !stream.has_error();
    stream.clear_error();
    return good;
  }
  std::string read() const {
    auto all = MemoryBuffer::getFile(path(), /*IsText=*/false, /*RequiresNullTerminator=*/false,
                                     /*IsVolatile=*/true);
    return all ? (*all)->getBuffer().str() : std::string();
  }

private:
  int descriptor;
};

} // namespace

Expected<AssembledKernels> lathe::compiler::assemble(StringRef assembler, StringRef ptx,
                                                     StringRef chip) {
  MemoryFile input("lathe.ptx"), output("lathe.cubin"), log("lathe.log");
  if (!input.isThere() || !output.isThere() || !log.isThere() || !input.write(ptx))
    return makeError("cannot make a file in memory: " + sys::StrError());
  std::string from = input.path(), to = output.path(), told = log.path(), message;
  SmallVector<StringRef> arguments = {assembler, "-arch", chip, "-v", from, "-o", to};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(told), StringRef(told)};
  int status = sys::ExecuteAndWait(assembler, arguments, std::nullopt, redirects, 0, 0, &message);
  std::string text = log.read();
  if (status != 0)
    return makeError(assembler + " failed with status " + Twine(status) + " " + message + ": " +
                     StringRef(text).take_front(1000).trim());
  return AssembledKernels{output.read(), readResources(text)};
}
