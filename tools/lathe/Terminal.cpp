//===- Terminal.cpp - Standard output and standard error --------------------===//

#include "tools/lathe/Terminal.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace lathe;
using namespace lathe::cli;

/// Opens /dev/null under the number of a standard stream that is closed.
static bool fillClosedStream(int Stream) {
  if (fcntl(Stream, F_GETFD) != -1 || errno != EBADF)
    return false;
  int Null = open("/dev/null", Stream == STDIN_FILENO ? O_RDONLY : O_WRONLY);
  if (Null != -1 && Null != Stream) {
    dup2(Null, Stream);
    close(Null);
  }
  return true;
}

static bool isSameFile(int Left, int Right) {
  struct stat A, B;
  return fstat(Left, &A) == 0 && fstat(Right, &B) == 0 && A.st_dev == B.st_dev &&
         A.st_ino == B.st_ino;
}

Terminal::Terminal() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  fillClosedStream(STDIN_FILENO);
  ReaderGone = fillClosedStream(STDOUT_FILENO);
  fillClosedStream(STDERR_FILENO);
  InputIsTerminal = isatty(STDIN_FILENO) == 1;
  OutputIsTerminal = isatty(STDOUT_FILENO) == 1;
  OutputIsError = isSameFile(STDOUT_FILENO, STDERR_FILENO);
  ErrorIsTerminal = isatty(STDERR_FILENO) == 1;
  const char *NoColour = getenv("NO_COLOR");
  const char *Kind = getenv("TERM");
  Colour = ErrorIsTerminal && !(NoColour && *NoColour) && !(Kind && strcmp(Kind, "dumb") == 0);
}

/// Writes all of `Text`; the error number, or 0.
static int writeAll(int Stream, std::string_view Text) {
  while (!Text.empty()) {
    ssize_t Written = write(Stream, Text.data(), Text.size());
    if (Written >= 0)
      Text.remove_prefix(static_cast<size_t>(Written));
    else if (errno != EINTR)
      return errno;
  }
  return 0;
}

bool Terminal::out(std::string_view Text) {
  if (ReaderGone || OutputFault)
    return false;
  if (OutputIsTerminal)
    clearProgress();
  int Fault = writeAll(STDOUT_FILENO, Text);
  if (Fault == EPIPE)
    ReaderGone = true;
  else if (Fault != 0)
    OutputFault = describeErrno(Fault);
  return Fault == 0;
}

void Terminal::err(std::string_view Text) {
  clearProgress();
  // There is nowhere left to report that standard error cannot be written.
  (void)writeAll(STDERR_FILENO, Text);
}

void Terminal::progress(std::string_view Text) {
  if (!ErrorIsTerminal)
    return;
  clearProgress();
  (void)writeAll(STDERR_FILENO, Text);
  ProgressShown = true;
}

void Terminal::clearProgress() {
  if (!ProgressShown)
    return;
  ProgressShown = false;
  (void)writeAll(STDERR_FILENO, "\r\x1b[K");
}

void Terminal::print(const Diagnostics &Diags) {
  std::string Text;
  for (const Diagnostic &Each : Diags.all()) {
    std::string Line = Each.str();
    size_t Colon = Line.find(':');
    if (Colour && Colon != std::string::npos) {
      Line.insert(Colon, "\x1b[0m");
      Line.insert(0, Each.Level == Severity::Error ? "\x1b[1;31m" : "\x1b[1;33m");
    }
    Text += Line;
    if (!Line.empty() && Line.back() != '\n')
      Text += '\n';
  }
  err(Text);
}

std::optional<std::string> Terminal::readLine() {
  char Buffer[4096];
  while (Unread.find('\n') == std::string::npos) {
    ssize_t Got = read(STDIN_FILENO, Buffer, sizeof(Buffer));
    if (Got < 0 && errno == EINTR)
      continue;
    if (Got <= 0 && Unread.empty())
      return std::nullopt;
    Unread.append(Buffer, Got > 0 ? static_cast<size_t>(Got) : 0);
    if (Got <= 0)
      break;
  }
  size_t End = Unread.find('\n');
  std::string Line = Unread.substr(0, End);
  Unread.erase(0, End == std::string::npos ? End : End + 1);
  return Line;
}

std::string cli::wrapText(std::string_view Text, size_t Indent) {
  constexpr size_t Width = 80;
  std::string Result;
  size_t Column = Indent;
  while (true) {
    Text.remove_prefix(std::min(Text.find_first_not_of(' '), Text.size()));
    if (Text.empty())
      return Result;
    std::string_view Word = Text.substr(0, Text.find(' '));
    Text.remove_prefix(Word.size());
    bool Fits = Column + 1 + Word.size() <= Width;
    if (!Result.empty())
      Result += Fits ? " " : "\n" + std::string(Indent, ' ');
    Column = (Fits ? Column + 1 : Indent) + Word.size();
    Result += Word;
  }
}

uint64_t cli::peakMemory() {
  rusage Usage{};
  getrusage(RUSAGE_SELF, &Usage);
  return static_cast<uint64_t>(Usage.ru_maxrss) * 1024;
}
