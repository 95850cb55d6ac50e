//===- CpuTarget.cpp - CPUs that code is made for --------------------------===//

#include "compiler/target/cpu/CpuTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

#include <map>

using namespace lathe::compiler;

static std::map<std::string, CpuTarget> &registry() {
  static std::map<std::string, CpuTarget> targets;
  return targets;
}

CpuTargetRegistration::CpuTargetRegistration(CpuTarget target) {
  std::string name = target.name;
  registry().emplace(name, std::move(target));
}

std::string CpuTarget::featureString() const {
  return llvm::join(
      llvm::map_range(features, [](const std::string &feature) { return "+" + feature; }), ",");
}

static const CpuTarget *findHostTarget() {
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  const CpuTarget *best = nullptr;
  for (auto &[name, target] : registry()) {
    bool runs = llvm::all_of(target.features,
                             [&](const std::string &feature) { return host.lookup(feature); });
    if (runs && !target.emulated && (!best || target.vectorBits > best->vectorBits))
      best = &target;
  }
  return best;
}

/// What every machine of a triple can be asked for at least.
static const CpuTarget *findLeastTarget() {
  const CpuTarget *least = nullptr;
  for (auto &[name, target] : registry())
    if (!target.emulated && (!least || target.features.size() < least->features.size()))
      least = &target;
  return least;
}

/// An unknown architecture where `name` is no triple.
static llvm::Triple parseTriple(llvm::StringRef name) {
  return llvm::Triple(llvm::Triple::normalize(name));
}

const CpuTarget *lathe::compiler::findCpuTarget(llvm::StringRef name) {
  if (name == "host")
    return findHostTarget();
  if (auto it = registry().find(name.str()); it != registry().end())
    return &it->second;
  llvm::Triple triple = parseTriple(name);
  bool ours = triple.getArch() == llvm::Triple::x86_64 && triple.isOSLinux() && !triple.isX32();
  return ours ? findLeastTarget() : nullptr;
}

std::string lathe::compiler::explainMissingTarget(llvm::StringRef name) {
  llvm::Triple triple = parseTriple(name);
  if (triple.getArch() == llvm::Triple::UnknownArch)
    return ("unknown target '" + name + "'").str();
  return ("target '" + name + "' is known to LLVM (" + triple.str() +
          "), but there are no kernels for it, only for x86-64 Linux")
      .str();
}

std::vector<std::string> lathe::compiler::allCpuTargets() {
  std::vector<std::string> names;
  for (auto &[name, target] : registry())
    names.push_back(name);
  return names;
}
