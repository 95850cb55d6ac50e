//===- DeviceTarget.cpp - Processors that kernels are launched on ----------===//

#include "compiler/target/DeviceTarget.h"

#include <map>

using namespace lathe::compiler;

using Registry = std::map<std::string, std::unique_ptr<const DeviceTarget>>;

static Registry &registry() {
  static Registry targets;
  return targets;
}

DeviceTargetRegistration::DeviceTargetRegistration(std::unique_ptr<const DeviceTarget> target) {
  std::string name = target->name;
  registry().emplace(std::move(name), std::move(target));
}

const DeviceTarget *lathe::compiler::findDeviceTarget(llvm::StringRef name) {
  auto found = registry().find(name.str());
  return found == registry().end() ? nullptr : found->second.get();
}

std::vector<std::string> lathe::compiler::allDeviceTargets() {
  std::vector<std::string> names;
  for (auto &[name, target] : registry())
    names.push_back(name);
  return names;
}
