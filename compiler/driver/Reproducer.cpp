//===- Reproducer.cpp - What shows a fault of the compiler again -----------===//

#include "compiler/driver/Reproducer.h"

#include "compiler/target/cpu/Manifest.h"
#include "runtime/support/AtomicFile.h"

#include "mlir/IR/AsmState.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static std::string choosePath(StringRef folder) {
  SmallString<128> path(folder);
  if (path.empty())
    llvm::sys::path::system_temp_directory(/*ErasedOnReboot=*/true, path);
  llvm::sys::path::append(path, "lathe-reproducer-%%%%%%%%.mlir");
  SmallString<128> unique;
  llvm::sys::fs::createUniquePath(path, unique, /*MakeAbsolute=*/false);
  return std::string(unique);
}

std::string lathe::compiler::printForReproducer(Operation *program, StringRef pipeline) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  AsmState state(program);
  state.attachResourcePrinter("mlir_reproducer", [&](Operation *, AsmResourceBuilder &builder) {
    builder.buildString("pipeline", pipeline);
    builder.buildBool("disable_threading", true);
    builder.buildBool("verify_each", true);
  });
  program->print(stream, state);
  stream << "\n";
  return text;
}

static std::string printFile(const Reproducer &reproducer, StringRef command) {
  return "// lathe " + compilerVersion() + ": " + reproducer.reason + "\n// " + command.str() +
         "\n" + reproducer.program;
}

std::string lathe::compiler::writeReproducer(const Reproducer &reproducer) {
  if (reproducer.program.empty())
    return "please report it with the command and the file that was read";
  std::string path = choosePath(reproducer.folder);
  std::string command = reproducer.commandStart + path + reproducer.commandEnd;
  Diagnostics local;
  constexpr unsigned ownerOnly = 0600;
  std::unique_ptr<AtomicFile> file = AtomicFile::create(path, local, ownerOnly);
  if (file && file->write(printFile(reproducer, command), local) && file->commit(local))
    return "please report it with " + path + ", which holds no weights; replay: " + command;
  return "please report it; no reproducer was written, " + local.all().front().Message;
}
