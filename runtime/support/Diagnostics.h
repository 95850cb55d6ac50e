//===- Diagnostics.h - Numbered errors as values ----------------*- C++ -*-===//
//
// Every error that a user can cause has a number, a place, a message that says
// what was found and what was expected, and where possible a hint.  Functions
// collect errors in a `Diagnostics` and go on as far as is safe, so that all
// that is wrong with an input is told at once.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_DIAGNOSTICS_H
#define LATHE_RUNTIME_SUPPORT_DIAGNOSTICS_H

#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// Exit codes of every tool (documented in `lathe --help`).
enum class ExitCode : int {
  Ok = 0,
  Failed = 1,
  Usage = 2,
  Unsupported = 3,
  Malformed = 4,
  Resources = 5,
  VersionMismatch = 6,
  Internal = 70,
  Interrupted = 130,
  Terminated = 143,
};

/// What `lathe explain` knows about an error number.
struct ErrorInfo {
  unsigned Number;
  ExitCode Exit;
  std::string_view Title;
  std::string_view Explanation;
};

/// The entry of `Number` in Errors.def, or null.
const ErrorInfo *findErrorInfo(unsigned Number);

/// All numbers, ascending.
const std::vector<ErrorInfo> &allErrorInfos();

enum class Severity { Error, Warning };

struct Diagnostic {
  Severity Level;
  unsigned Number;
  std::string Where;   ///< "model.gguf: tensor 'blk.3.ffn_up.weight'"; may be empty.
  std::string Message; ///< Lower case, no full stop; what was found and what was expected.
  std::string Hint;    ///< What the user can do; may be empty.

  /// "error[E0304]: where: message" and, if there is one, a line "  hint: ...".
  std::string str() const;
};

/// An ordered list of diagnostics.  Not thread-safe.
class Diagnostics {
public:
  void error(unsigned Number, std::string Where, std::string Message, std::string Hint = {});
  void warning(unsigned Number, std::string Where, std::string Message, std::string Hint = {});
  void append(const Diagnostics &Other);

  bool hasErrors() const { return NumErrors != 0; }
  unsigned errorCount() const { return NumErrors; }
  const std::vector<Diagnostic> &all() const { return List; }

  /// The exit code of the first error, Ok when there is none.
  ExitCode exitCode() const;

  /// All diagnostics, one after the other, each ending in a newline.
  std::string str() const;

private:
  std::vector<Diagnostic> List;
  unsigned NumErrors = 0;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_DIAGNOSTICS_H
