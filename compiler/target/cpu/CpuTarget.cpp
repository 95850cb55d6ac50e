//===- CpuTarget.cpp - CPUs that code is made for --------------------------===//

#include "compiler/target/cpu/CpuTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

#include <map>
#include <mutex>

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

llvm::ArrayRef<TargetSize> lathe::compiler::allTargetSizes() {
  static constexpr TargetSize sizes[] = {
      {"row-tile", &CpuTarget::rowTile, 1, 16},
      {"float-row-tile", &CpuTarget::floatRowTile, 1, 16},
      {"row-chunk", &CpuTarget::rowChunk, 1, 4096},
      {"prefetch-bytes", &CpuTarget::prefetchBytes, 0, 1 << 20},
  };
  return sizes;
}

/// "row-tile=3".
static bool setSize(CpuTarget &target, llvm::StringRef text) {
  auto [name, number] = text.split('=');
  int64_t value = 0;
  for (const TargetSize &size : allTargetSizes())
    if (size.name == name && !number.getAsInteger(10, value) && value >= size.least &&
        value <= size.most) {
      target.*size.field = value;
      return true;
    }
  return false;
}

/// Kept for good, as those that are registered.
static const CpuTarget *findSizedTarget(const CpuTarget &base, llvm::StringRef sizes) {
  static std::mutex guard;
  static std::map<std::string, CpuTarget> targets;
  CpuTarget target = base;
  target.name += (":" + sizes).str();
  for (llvm::StringRef size : llvm::split(sizes, ','))
    if (!setSize(target, size))
      return nullptr;
  std::lock_guard<std::mutex> lock(guard);
  return &targets.emplace(target.name, std::move(target)).first->second;
}

const CpuTarget *lathe::compiler::findCpuTarget(llvm::StringRef name) {
  auto [plain, sizes] = name.split(':');
  auto it = registry().find(plain.str());
  const CpuTarget *base = plain == "host"          ? findHostTarget()
                          : it == registry().end() ? nullptr
                                                   : &it->second;
  return base && name.contains(':') ? findSizedTarget(*base, sizes) : base;
}

std::vector<std::string> lathe::compiler::allCpuTargets() {
  std::vector<std::string> names;
  for (auto &[name, target] : registry())
    names.push_back(name);
  return names;
}
