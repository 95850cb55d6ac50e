//===- BlockFormat.cpp - Storage formats of weights -----------------------===//

#include "runtime/formats/BlockFormat.h"

#include <algorithm>
#include <cassert>

namespace lathe {
namespace {

/// Made on first use: registrations run before `main` in no particular order.
std::vector<const BlockFormat *> &registry() {
  static std::vector<const BlockFormat *> Formats;
  return Formats;
}

template <typename Predicate> const BlockFormat *findIf(Predicate Matches) {
  for (const BlockFormat *Format : registry())
    if (Matches(*Format))
      return Format;
  return nullptr;
}

} // namespace

const BlockFormat *findBlockFormat(std::string_view Name) {
  return findIf([&](const BlockFormat &Format) { return Format.Name == Name; });
}

const BlockFormat *findBlockFormat(uint32_t GGUFType) {
  return findIf([&](const BlockFormat &Format) {
    return Format.GGUFType == GGUFType && Format.PackingOf.empty();
  });
}

const BlockFormat &fileFormat(const BlockFormat &Format) {
  if (Format.PackingOf.empty())
    return Format;
  const BlockFormat *InFiles = findBlockFormat(Format.PackingOf);
  assert(InFiles && "a packing of a format that is not registered");
  return *InFiles;
}

std::vector<const BlockFormat *> allBlockFormats() {
  std::vector<const BlockFormat *> Formats = registry();
  std::sort(Formats.begin(), Formats.end(), [](const BlockFormat *Left, const BlockFormat *Right) {
    return Left->Name < Right->Name;
  });
  return Formats;
}

BlockFormatRegistration::BlockFormatRegistration(const BlockFormat &Format) {
  assert(!findBlockFormat(Format.Name) && "a block format is registered twice");
  assert((!Format.PackingOf.empty() || !findBlockFormat(Format.GGUFType)) &&
         "two formats of files have the same type");
  registry().push_back(&Format);
}

} // namespace lathe
