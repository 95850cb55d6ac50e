//===- WeightFormat.cpp - Code that reads packed weights -------------------===//

#include "compiler/target/cpu/WeightFormat.h"

#include "llvm/ADT/StringMap.h"

using namespace lathe::compiler;

static llvm::StringMap<const WeightFormat *> &registry() {
  static llvm::StringMap<const WeightFormat *> formats;
  return formats;
}

WeightFormatRegistration::WeightFormatRegistration(llvm::StringRef name,
                                                   const WeightFormat &format) {
  registry()[name] = &format;
}

const WeightFormat *lathe::compiler::findWeightFormat(llvm::StringRef name) {
  return registry().lookup(name);
}
