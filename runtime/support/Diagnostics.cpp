//===- Diagnostics.cpp - Numbered errors as values ------------------------===//

#include "runtime/support/Diagnostics.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace lathe {

const std::vector<ErrorInfo> &allErrorInfos() {
  static const std::vector<ErrorInfo> Table = {
#define LATHE_ERROR(Number, Exit, Title, Explanation) {Number, ExitCode::Exit, Title, Explanation},
#include "runtime/support/Errors.def"
#undef LATHE_ERROR
  };
  return Table;
}

const ErrorInfo *findErrorInfo(unsigned Number) {
  const std::vector<ErrorInfo> &Table = allErrorInfos();
  auto Found =
      std::lower_bound(Table.begin(), Table.end(), Number,
                       [](const ErrorInfo &Info, unsigned Wanted) { return Info.Number < Wanted; });
  return Found != Table.end() && Found->Number == Number ? &*Found : nullptr;
}

std::string Diagnostic::str() const {
  std::array<char, 5> Digits = {};
  unsigned Rest = Number;
  for (int I = 3; I >= 0; --I, Rest /= 10)
    Digits[I] = static_cast<char>('0' + Rest % 10);

  std::string Text = Level == Severity::Error ? "error[E" : "warning[E";
  Text += Digits.data();
  Text += "]: ";
  if (!Where.empty())
    Text += escapeControls(Where) + ": ";
  Text += escapeControls(Message);
  if (!Hint.empty())
    Text += "\n  hint: " + escapeControls(Hint);
  return Text;
}

void Diagnostics::error(unsigned Number, std::string Where, std::string Message, std::string Hint) {
  List.push_back({Severity::Error, Number, std::move(Where), std::move(Message), std::move(Hint)});
  ++NumErrors;
}

void Diagnostics::warning(unsigned Number, std::string Where, std::string Message,
                          std::string Hint) {
  List.push_back(
      {Severity::Warning, Number, std::move(Where), std::move(Message), std::move(Hint)});
}

void Diagnostics::append(const Diagnostics &Other) {
  List.insert(List.end(), Other.List.begin(), Other.List.end());
  NumErrors += Other.NumErrors;
}

ExitCode Diagnostics::exitCode() const {
  for (const Diagnostic &Entry : List) {
    if (Entry.Level != Severity::Error)
      continue;
    const ErrorInfo *Info = findErrorInfo(Entry.Number);
    return Info ? Info->Exit : ExitCode::Internal;
  }
  return ExitCode::Ok;
}

std::string Diagnostics::str() const {
  std::string Text;
  for (const Diagnostic &Entry : List)
    Text += Entry.str() + '\n';
  return Text;
}

} // namespace lathe
