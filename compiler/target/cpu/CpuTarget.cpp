//===- CpuTarget.cpp - CPUs that code is made for --------------------------===//

#include "compiler/target/cpu/CpuTarget.h"

#include "runtime/formats/BlockFormat.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

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

static const CpuTarget *findPlainTarget(llvm::StringRef name) {
  if (name == "host")
    return findHostTarget();
  if (auto it = registry().find(name.str()); it != registry().end())
    return &it->second;
  llvm::Triple triple = parseTriple(name);
  bool ours = triple.getArch() == llvm::Triple::x86_64 && triple.isOSLinux() && !triple.isX32();
  return ours ? findLeastTarget() : nullptr;
}

llvm::ArrayRef<TargetSize> lathe::compiler::allTargetSizes() {
  static constexpr TargetSize sizes[] = {
      {"row-tile", &CpuTarget::rowTile, 1, 16},
      {"float-row-tile", &CpuTarget::floatRowTile, 1, 16},
      {"float-column-tile", &CpuTarget::floatColumnTile, Lanes, PanelRows, Lanes},
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
        value <= size.most && value % size.multiple == 0) {
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
  const CpuTarget *base = findPlainTarget(plain);
  return base && name.contains(':') ? findSizedTarget(*base, sizes) : base;
}

std::string lathe::compiler::explainMissingTarget(llvm::StringRef name) {
  llvm::StringRef plain = name.split(':').first;
  llvm::Triple triple = parseTriple(plain);
  // Sizes may be what is wrong.
  if (triple.getArch() == llvm::Triple::UnknownArch || findPlainTarget(plain))
    return ("unknown target '" + name + "'").str();
  return ("target '" + plain + "' is known to LLVM (" + triple.str() +
          "), but there are no kernels for it, only for x86-64 Linux")
      .str();
}

std::vector<std::string> lathe::compiler::allCpuTargets() {
  std::vector<std::string> names;
  for (auto &[name, target] : registry())
    names.push_back(name);
  return names;
}
