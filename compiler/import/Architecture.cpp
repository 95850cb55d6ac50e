//===- Architecture.cpp - Model architectures, by name ---------------------===//

#include "compiler/import/Architecture.h"

#include "llvm/ADT/StringMap.h"

using namespace lathe;
using namespace lathe::compiler;

static llvm::StringMap<ArchitectureBuilder> &registry() {
  static llvm::StringMap<ArchitectureBuilder> builders;
  return builders;
}

ArchitectureRegistration::ArchitectureRegistration(llvm::StringRef name,
                                                   ArchitectureBuilder builder) {
  registry()[name] = builder;
}

ArchitectureBuilder lathe::compiler::findArchitecture(llvm::StringRef name) {
  return registry().lookup(name);
}

llvm::SmallVector<llvm::StringRef> lathe::compiler::allArchitectures() {
  llvm::SmallVector<llvm::StringRef> names(registry().keys());
  llvm::sort(names);
  return names;
}
