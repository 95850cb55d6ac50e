//===- CompilerLibrary.h - liblathe-compiler.so, opened late ----*- C++ -*-===//
//
// The compiler (and LLVM with it) is opened only when something must be
// compiled.  This is the typed side of runtime/include/lathe/compiler.h.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_COMPILERLIBRARY_H
#define LATHE_RUNTIME_SESSION_COMPILERLIBRARY_H

#include "lathe/compiler.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe {

/// A compile request in C++ terms; see lathe_compile_request.
struct CompileRequest {
  std::string Input;
  std::string Target = "host";
  std::string Precision = "auto";
  std::string KVType = "auto"; ///< lathe_compile_request::kv_type.
  int64_t MaxPrefillRows = 0;
  std::string Emit = {}; ///< Empty: a program.
  bool VerifyEachPass = false;
  std::string Passes = {};            ///< lathe_compile_request::passes.
  std::string ReproducerFolder = {};  ///< lathe_compile_request::reproducer_dir.
  bool Timing = false;                ///< Tables of passes and their times, on standard error.
  std::string Machine = {};           ///< Empty: none.
  std::string Layers = {}, Skip = {}; ///< lathe_compile_request::layers and skip.
  int64_t Depth = 0;
  /// lathe_compile_request::on_manifest; empty: nobody is told.
  std::function<void(std::string_view Text)> OnManifest = {};
};

/// Owns what one compile gave.  Keeps the compiler library open.
class CompileResult {
public:
  CompileResult(const lathe_compiler_api &API, lathe_compile_result *Result)
      : API(API), Result(Result) {}
  CompileResult(const CompileResult &) = delete;
  CompileResult &operator=(const CompileResult &) = delete;
  ~CompileResult() { API.destroy(Result); }

  /// 0, or the exit code of the first error.
  int32_t exitCode() const { return API.exit_code(Result); }

  /// Errors and warnings as printed text.
  std::string_view diagnostics() const {
    const char *Text = API.diagnostics(Result);
    return Text ? Text : std::string_view();
  }

  /// What the passes counted, as a table.
  std::string_view statistics() const {
    const char *Text = API.statistics(Result);
    return Text ? Text : std::string_view();
  }

  /// What CompileRequest::Emit asked for; lives as long as the result.
  std::span<const uint8_t> output() const;

  /// Address of an exported symbol of the program, or null.
  void *lookup(const char *Symbol) { return API.lookup(Result, Symbol); }

  /// Writes the program as a shared library; false when that failed.
  bool writeLibrary(const std::string &Path) {
    return API.write_library(Result, Path.c_str()) == 0;
  }

private:
  const lathe_compiler_api &API;
  lathe_compile_result *Result;
};

class CompilerLibrary {
public:
  /// Where the compiler would be opened from: $LATHE_COMPILER, else
  /// liblathe-compiler.so in ../lib of, or beside, the file that holds the
  /// runtime.  Empty when there is no such file.
  static std::string locate();

  /// A text that changes with every build of the library at `Path` (from size
  /// and time of change); empty when there is no such file.
  static std::string buildID(const std::string &Path);

  /// Opens the library at locate(), once per process; it is never closed.
  /// Null with E0610 (missing or cannot be opened) or E0611 (not ours, or
  /// another version of the interface).
  static const CompilerLibrary *open(Diagnostics &Diags);

  /// "0.1.0 (LLVM 22.1.8)".
  std::string_view version() const { return API->version(); }

  /// Compiles.  The compiler's errors and warnings are appended to `Diags`;
  /// null when there is an error.
  std::shared_ptr<CompileResult> compile(const CompileRequest &Request, Diagnostics &Diags) const;

  /// Gives back the memory of the compiler's code, which is larger than many a
  /// model.  What is used again comes from its file again.
  void releasePages() const;

private:
  CompilerLibrary(const lathe_compiler_api *API, std::vector<std::span<const uint8_t>> Code)
      : API(API), Code(std::move(Code)) {}
  const lathe_compiler_api *API;
  std::vector<std::span<const uint8_t>> Code; ///< Its own, LLVM's and MLIR's.
};

/// Appends diagnostics that were printed by Diagnostic::str() in another
/// library.  Numbers, levels and the printed form stay the same.
void appendPrintedDiagnostics(std::string_view Text, Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_COMPILERLIBRARY_H
