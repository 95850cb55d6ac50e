//===- CompiledOutput.h - What `lathe compile` can make ---------*- C++ -*-===//
//
// One entry for each kind of output; the suffix of -o or --kind names it.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_COMPILEDOUTPUT_H
#define LATHE_TOOLS_LATHE_COMPILEDOUTPUT_H

#include "tools/lathe/OutputFile.h"

#include "runtime/session/Packaging.h"

#include <string_view>

namespace lathe::cli {

struct OutputKind {
  std::string_view Name;   ///< For --kind.
  std::string_view Suffix; ///< Of the file's name.
  bool Packaged;           ///< Carries a model, for any number of targets.
  unsigned Mode;           ///< Permissions of the file.
  /// Compiles and writes; false after an error.
  bool (*Write)(const PackageOptions &Options, OutputFile &File, Diagnostics &Diags);
};

/// The kind of that name, which exists.
const OutputKind *outputKindNamed(std::string_view Name);

/// The kind that the suffix of `Path` asks for; an executable where no other
/// suffix matches.
const OutputKind *outputKindOf(std::string_view Path);

/// Whether `Path` names MLIR text or bytecode.
bool isStageText(std::string_view Path);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_COMPILEDOUTPUT_H
