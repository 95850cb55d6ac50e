//===- Link.cpp - From an object to something callable ---------------------===//

#include "compiler/driver/Link.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// LoadedObject
//===----------------------------------------------------------------------===//

struct LoadedObject::Impl {
  std::unique_ptr<orc::LLJIT> jit;
};

LoadedObject::LoadedObject(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
LoadedObject::~LoadedObject() = default;

Expected<std::unique_ptr<LoadedObject>> LoadedObject::create(StringRef object) {
  InitializeNativeTarget();
  InitializeNativeTargetAsmPrinter();
  auto jit = orc::LLJITBuilder().create();
  if (!jit)
    return jit.takeError();
  auto buffer = MemoryBuffer::getMemBufferCopy(object, "lathe.o");
  if (Error error = (*jit)->addObjectFile(std::move(buffer)))
    return std::move(error);
  auto impl = std::make_unique<Impl>();
  impl->jit = std::move(*jit);
  return std::unique_ptr<LoadedObject>(new LoadedObject(std::move(impl)));
}

void *LoadedObject::lookup(StringRef symbol) {
  auto address = impl->jit->lookup(symbol);
  if (!address) {
    consumeError(address.takeError());
    return nullptr;
  }
  return address->toPtr<void *>();
}

//===----------------------------------------------------------------------===//
// linkLibrary
//===----------------------------------------------------------------------===//

static Error makeError(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

static Expected<std::string> findLinker() {
  for (StringRef name : {"ld.lld-22", "ld.lld"})
    if (ErrorOr<std::string> found = sys::findProgramByName(name))
      return *found;
  return makeError("found no linker, expected ld.lld-22 or ld.lld (Debian package lld-22)");
}

/// Another process opens the descriptor by this name, and can make no file by it.
static std::string nameOf(int descriptor) {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(descriptor);
}

/// The linker takes and gives memory and open files alone: one that outlives us, when a
/// signal ends us, leaves nothing behind.
Error lathe::compiler::linkLibrary(StringRef object, StringRef path) {
  Expected<std::string> linker = findLinker();
  if (!linker)
    return linker.takeError();
  int inputFile = ::memfd_create("lathe.o", MFD_CLOEXEC), outputFile = -1;
  if (inputFile < 0)
    return makeError("cannot make a file in memory: " + sys::StrError());
  raw_fd_ostream input(inputFile, /*shouldClose=*/true);
  input << object;
  input.flush();
  if (input.has_error()) {
    std::string reason = input.error().message();
    input.clear_error();
    return makeError("cannot keep the object in memory: " + reason);
  }
  if (std::error_code code = sys::fs::openFileForWrite(path, outputFile))
    return makeError("cannot write '" + path + "': " + code.message());
  std::string from = nameOf(inputFile), to = nameOf(outputFile), message;
  SmallVector<StringRef> arguments = {
      *linker,           "-shared", "-Bsymbolic", "-znow", "-znoexecstack",
      "--build-id=none", "-o",      "-",          from};
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(to), std::nullopt};
  int status = sys::ExecuteAndWait(*linker, arguments, std::nullopt, redirects, 0, 0, &message);
  ::close(outputFile);
  if (status != 0)
    return makeError("the linker failed with status " + Twine(status) + " " + message);
  return Error::success();
}
