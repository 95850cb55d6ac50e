//===- Link.cpp - From an object to something callable ---------------------===//

#include "compiler/driver/Link.h"

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"

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

Error lathe::compiler::linkLibrary(StringRef object, StringRef path) {
  Expected<std::string> linker = findLinker();
  if (!linker)
    return linker.takeError();
  SmallString<128> objectPath(path);
  objectPath += ".o";
  FileRemover remover(objectPath);
  {
    std::error_code code;
    raw_fd_ostream stream(objectPath, code, sys::fs::OF_None);
    if (code)
      return makeError("cannot write '" + objectPath + "': " + code.message());
    stream << object;
    stream.close();
    if (stream.has_error()) {
      std::string reason = stream.error().message();
      stream.clear_error();
      return makeError("cannot write '" + objectPath + "': " + reason);
    }
  }
  SmallVector<StringRef> arguments = {*linker,         "-shared",         "-Bsymbolic", "-znow",
                                      "-znoexecstack", "--build-id=none", "-o",         path,
                                      objectPath};
  std::string message;
  std::optional<StringRef> redirects[] = {StringRef(""), StringRef(""), std::nullopt};
  int status = sys::ExecuteAndWait(*linker, arguments, std::nullopt, redirects, 0, 0, &message);
  if (status != 0)
    return makeError("the linker failed with status " + Twine(status) + " " + message);
  return Error::success();
}
