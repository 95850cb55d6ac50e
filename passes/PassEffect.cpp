//===- PassEffect.cpp - What a pass may do to the numbers ------------------===//

#include "passes/PassEffect.h"

#include "mlir/Pass/Pass.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Format.h"

using namespace lathe;

/// Declared by static objects of other files, so made at first use.
static llvm::StringMap<PassEffect> &effects() {
  static llvm::StringMap<PassEffect> map;
  return map;
}

std::string lathe::toString(PassEffect effect) {
  switch (effect.kind) {
  case NumericEffect::Exact:
    return "exact";
  case NumericEffect::Reassociates:
    return "reassociates";
  case NumericEffect::OtherFunction:
    return "other-function";
  case NumericEffect::LowersPrecision:
    break;
  }
  std::string text;
  llvm::raw_string_ostream(text) << "lowers-precision(" << llvm::format("%g", effect.relativeBound)
                                 << ")";
  return text;
}

void lathe::registerPassEffect(llvm::StringRef argument, PassEffect effect) {
  effects()[argument] = effect;
}

std::optional<PassEffect> lathe::getDeclaredEffect(const mlir::Pass &pass) {
  llvm::StringRef argument = pass.getArgument();
  auto declared = effects().find(argument);
  if (declared != effects().end())
    return declared->second;
  if (argument.starts_with("lathe-") || argument.starts_with("step-"))
    return std::nullopt;
  return PassEffect{NumericEffect::Reassociates};
}
