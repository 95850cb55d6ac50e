//===- Terminal.h - Standard output and standard error ----------*- C++ -*-===//
//
// Data goes to standard output, all else to standard error.  A reader that goes
// away (`| head`) or a closed standard output ends a command quietly; a full
// disk is an error.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_TERMINAL_H
#define LATHE_TOOLS_LATHE_TERMINAL_H

#include "runtime/support/Diagnostics.h"

#include <optional>
#include <string>
#include <string_view>

namespace lathe::cli {

class Terminal {
public:
  /// Ignores SIGPIPE and SIGXFSZ, so that such writes fail instead, and opens
  /// /dev/null for each of the three standard streams that is closed, so that
  /// no file we open takes its number.
  Terminal();

  /// Writes to standard output at once.  False when nobody reads any more
  /// (`readerGone`) or when writing fails (`outputFault`).
  bool out(std::string_view Text);
  /// Writes to standard error.
  void err(std::string_view Text);

  /// A one-line progress report, only shown on a terminal and written over by
  /// whatever comes next on standard error.
  void progress(std::string_view Text);
  void clearProgress();

  /// Prints all diagnostics, coloured on a terminal unless NO_COLOR is set.
  void print(const Diagnostics &Diags);

  bool readerGone() const { return ReaderGone; }
  /// The system's words for why standard output cannot be written.
  const std::optional<std::string> &outputFault() const { return OutputFault; }
  bool inputIsTerminal() const { return InputIsTerminal; }
  bool outputIsTerminal() const { return OutputIsTerminal; }
  /// Whether standard output and standard error end up in the same file or pipe.
  bool outputIsError() const { return OutputIsError; }

  /// One line of standard input without its newline; nullopt at the end.
  std::optional<std::string> readLine();

private:
  bool ReaderGone = false;
  bool InputIsTerminal = false;
  bool OutputIsTerminal = false;
  bool OutputIsError = false;
  bool ErrorIsTerminal = false;
  bool Colour = false;
  bool ProgressShown = false;
  std::optional<std::string> OutputFault;
  std::string Unread; ///< What `readLine` read beyond its line.
};

/// `Text` in lines of at most 80 letters, of which all but the first begin with
/// `Indent` blanks and the first stands after as many.  Ends in no newline.
std::string wrapText(std::string_view Text, size_t Indent);

/// The largest resident size of this process so far, in bytes.
uint64_t peakMemory();

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_TERMINAL_H
