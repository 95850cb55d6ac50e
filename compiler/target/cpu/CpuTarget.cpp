//===- CpuTarget.cpp - CPUs that code is made for --------------------------===//

#include "compiler/target/cpu/CpuTarget.h"
#include "compiler/target/cpu/TileModel.h"

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

llvm::ArrayRef<TargetNumber> lathe::compiler::allCoreNumbers() {
  constexpr int64_t Most = 1000 * 1000;
  static constexpr TargetNumber numbers[] = {
      {"multiply-add-time", &CpuTarget::multiplyAddTime, 1, Most},
      {"multiply-add-latency", &CpuTarget::multiplyAddLatency, 1, Most},
      {"int8-step-time", &CpuTarget::int8StepTime, 1, Most},
      {"load-time", &CpuTarget::loadTime, 1, Most},
      {"nearest-cache-bytes", &CpuTarget::nearestCacheBytes, 1 << 12, 1 << 24},
  };
  return numbers;
}

llvm::ArrayRef<TargetNumber> lathe::compiler::allTargetSizes() {
  static constexpr TargetNumber sizes[] = {
      {"row-tile", &CpuTarget::rowTile, 1, 16},
      {"column-tile", &CpuTarget::columnTile, Lanes, PanelRows, Lanes},
      {"float-row-tile", &CpuTarget::floatRowTile, 1, 16},
      {"float-column-tile", &CpuTarget::floatColumnTile, Lanes, PanelRows, Lanes},
      {"float-depth", &CpuTarget::floatDepth, 16, 4096, 2},
      {"row-chunk", &CpuTarget::rowChunk, 1, 4096},
      {"prefetch-bytes", &CpuTarget::prefetchBytes, 0, 1 << 20},
  };
  return sizes;
}

/// "row-tile=3".
static bool setNumber(CpuTarget &target, llvm::StringRef text) {
  auto [name, given] = text.split('=');
  int64_t value = 0;
  for (llvm::ArrayRef<TargetNumber> numbers : {allCoreNumbers(), allTargetSizes()})
    for (const TargetNumber &number : numbers)
      if (number.name == name && !given.getAsInteger(10, value) && value >= number.least &&
          value <= number.most && value % number.multiple == 0) {
        target.*number.field = value;
        return true;
      }
  return false;
}

/// The target with all of its sizes; kept for good, as those that are registered.
static const CpuTarget *findSizedTarget(const CpuTarget &base, llvm::StringRef numbers) {
  static std::mutex guard;
  static std::map<std::string, CpuTarget> targets;
  CpuTarget target = base;
  if (!numbers.empty()) {
    target.name += (":" + numbers).str();
    for (llvm::StringRef number : llvm::split(numbers, ','))
      if (!setNumber(target, number))
        return nullptr;
  }
  chooseSizes(target);
  std::lock_guard<std::mutex> lock(guard);
  return &targets.emplace(target.name, std::move(target)).first->second;
}

const CpuTarget *lathe::compiler::findCpuTarget(llvm::StringRef name) {
  auto [plain, numbers] = name.split(':');
  const CpuTarget *base = findPlainTarget(plain);
  // Nothing behind a colon is no number.
  if (!base || (name.contains(':') && numbers.empty()))
    return nullptr;
  return findSizedTarget(*base, numbers);
}

std::string lathe::compiler::explainMissingTarget(llvm::StringRef name) {
  llvm::StringRef plain = name.split(':').first;
  llvm::Triple triple = parseTriple(plain);
  // A number may be what is wrong.
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
