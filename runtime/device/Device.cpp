//===- Device.cpp - What models run on --------------------------------------===//

#include "runtime/device/Device.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <charconv>
#include <vector>

using namespace lathe;

Device::~Device() = default;

static std::vector<DeviceKind> &kinds() {
  static std::vector<DeviceKind> All;
  return All;
}

DeviceKindRegistration::DeviceKindRegistration(const DeviceKind &Kind) {
  kinds().push_back(Kind);
  // In the order in which "auto" asks.
  std::ranges::sort(kinds(), std::ranges::greater(), &DeviceKind::Preference);
}

static std::shared_ptr<const Device> openBest(Diagnostics &Diags) {
  for (const DeviceKind &Kind : kinds()) {
    // What is wrong with one is no fault where another will do.
    bool IsLast = &Kind == &kinds().back();
    Diagnostics Ignored;
    if (std::shared_ptr<const Device> Found = Kind.Open(0, IsLast ? Diags : Ignored))
      return Found;
  }
  return nullptr;
}

static std::string nameList() {
  std::string Names = "auto";
  for (auto Kind = kinds().rbegin(); Kind != kinds().rend(); ++Kind)
    Names += ", " + std::string(Kind->Name) + (Kind->IsNumbered ? ":0" : "");
  return Names;
}

std::shared_ptr<const Device> lathe::openDevice(std::string_view Name, Diagnostics &Diags) {
  if (Name == "auto")
    return openBest(Diags);
  for (const DeviceKind &Kind : kinds()) {
    std::string_view Rest = Name;
    if (!Rest.starts_with(Kind.Name))
      continue;
    Rest.remove_prefix(Kind.Name.size());
    if (Rest.empty())
      return Kind.Open(0, Diags);
    int Number = 0;
    const char *End = Rest.data() + Rest.size();
    if (Kind.IsNumbered && Rest.front() == ':' &&
        std::from_chars(Rest.data() + 1, End, Number).ptr == End && Rest.size() > 1 && Number >= 0)
      return Kind.Open(Number, Diags);
  }
  Diags.error(853, "device", "found " + quoted(Name) + ", expected one like " + nameList(),
              "'lathe devices' lists those of this machine");
  return nullptr;
}
