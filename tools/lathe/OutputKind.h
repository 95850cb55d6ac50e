//===- OutputKind.h - What `lathe compile` can make -------------*- C++ -*-===//
//
// A kind of output is one file in outputs/ with a static registration; the suffix
// of -o or --kind names it.  Nothing else has to be edited but the list of sources.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_OUTPUTKIND_H
#define LATHE_TOOLS_LATHE_OUTPUTKIND_H

#include "tools/lathe/OutputFile.h"

#include "runtime/session/Packaging.h"
#include "runtime/support/MappedFile.h"
#include "runtime/tokenizer/Registry.h"

#include <memory>
#include <string>
#include <string_view>

namespace lathe::cli {

/// What the user asked for.
struct OutputRequest {
  PackageOptions Package;
  std::string Path;  ///< What -o says.
  std::string Entry; ///< What --entry says; empty for the default.
};

struct OutputKind {
  std::string_view Name;   ///< For --kind.
  std::string_view Suffix; ///< Of the file's name; that of "" is every path's.
  bool Packaged;           ///< Carries a model, for any number of targets.
  bool HasEntry;           ///< Takes --entry.
  unsigned Mode;           ///< Permissions of the file.
  /// Compiles and writes; false after an error.
  bool (*Write)(const OutputRequest &Request, OutputFile &File, Diagnostics &Diags);
};
using OutputKindRegistration = Registry<OutputKind>::Registration;

/// The kind that the suffix of `Path` asks for: of several the one with the longest
/// suffix that can be made of the input.  MLIR is no model, so nothing that carries
/// one can be made of it; null where nothing can.
const OutputKind *outputKindOf(std::string_view Path, bool FromStageText);

/// Whether `Path` names MLIR text or bytecode.
bool isStageText(std::string_view Path);

//===----------------------------------------------------------------------===//
// For the files in outputs/
//===----------------------------------------------------------------------===//

/// Compiles for the one target, up to the stage `Emit` or all the way where it is
/// empty; null on error.
std::shared_ptr<CompileResult> compileOnce(const PackageOptions &Options, std::string_view Emit,
                                           Diagnostics &Diags);

/// A program or library that comes with lathe and that a model is appended to.
/// Null, with E0614, where it is not installed and `Variable` does not name it.
std::unique_ptr<MappedFile> openCarrier(const char *Name, const char *Variable, Diagnostics &Diags);

/// Writes `Carrier` with the compiled model behind it.
bool writeCarried(std::span<const uint8_t> Carrier, const Package &Made, OutputFile &File,
                  Diagnostics &Diags);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_OUTPUTKIND_H
