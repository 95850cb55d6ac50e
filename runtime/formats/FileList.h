//===- FileList.h - Small files, one behind the other -----------*- C++ -*-===//
//
// How an artefact carries the files of a model's folder (docs/artefact.md, "model
// files"): for each the bytes of its name (u32), its own (u64), the name and the
// contents, by name.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_FILELIST_H
#define LATHE_RUNTIME_FORMATS_FILELIST_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe {

/// Contents by name, "1_Pooling/config.json".
using FileList = std::map<std::string, std::span<const uint8_t>, std::less<>>;

std::vector<uint8_t> writeFileList(const FileList &Files);

/// The files in `Bytes`, which they are views of.  Nullopt with E0645 at `Where` when
/// these are not as `writeFileList` makes them.
std::optional<FileList> readFileList(std::span<const uint8_t> Bytes, const std::string &Where,
                                     Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_FILELIST_H
