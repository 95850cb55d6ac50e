//===- CpuTarget.cpp - CPUs that code is made for --------------------------===//

#include "compiler/target/cpu/CpuTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

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

const CpuTarget *lathe::compiler::findCpuTarget(llvm::StringRef name) {
  if (name == "host")
    return findHostTarget();
  auto it = registry().find(name.str());
  return it == registry().end() ? nullptr : &it->second;
}

std::vector<std::string> lathe::compiler::allCpuTargets() {
  std::vector<std::string> names;
  for (auto &[name, target] : registry())
    names.push_back(name);
  return names;
}
