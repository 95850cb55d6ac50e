//===- Explain.cpp - lathe explain ------------------------------------------===//

#include "tools/lathe/Command.h"

#include "runtime/support/Text.h"

#include <charconv>

using namespace lathe;
using namespace lathe::cli;

/// "E0304", "e0304" and "304" are 304.
static const ErrorInfo *findByCode(std::string_view Code) {
  if (!Code.empty() && (Code.front() == 'E' || Code.front() == 'e'))
    Code.remove_prefix(1);
  unsigned Number = 0;
  std::from_chars_result Read = std::from_chars(Code.data(), Code.data() + Code.size(), Number);
  if (Read.ec != std::errc() || Read.ptr != Code.data() + Code.size())
    return nullptr;
  return findErrorInfo(Number);
}

static std::string codeOf(const ErrorInfo &Info) {
  std::string Digits = std::to_string(Info.Number);
  return "E" + std::string(Digits.size() < 4 ? 4 - Digits.size() : 0, '0') + Digits;
}

namespace {
class ExplainCommand final : public Command {
public:
  void declare(Options &Accepted) override {
    Accepted.positional(Code, "CODE", "an error number: E0304, e0304 or 304", false);
    Accepted.flag(List, "--list", "print every number with its title");
  }
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  std::optional<std::string> Code;
  bool List = false;
};
} // namespace

void ExplainCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (Code.has_value() == List) {
    Diags.error(Code ? 111 : 108, "lathe explain", "expected either a CODE or --list");
    return;
  }
  if (List) {
    std::string Text;
    for (const ErrorInfo &Info : allErrorInfos())
      Text += codeOf(Info) + "  " + std::string(Info.Title) + "\n";
    Term.out(Text);
    return;
  }
  const ErrorInfo *Info = findByCode(*Code);
  if (!Info) {
    Diags.error(110, "lathe explain", "found " + quoted(*Code) + ", expected an error number",
                "'lathe explain --list' prints all of them");
    return;
  }
  Term.out(codeOf(*Info) + ": " + std::string(Info->Title) + "\nexit code " +
           std::to_string(static_cast<int>(Info->Exit)) + "\n\n" + wrapText(Info->Explanation, 0) +
           "\n");
}

static CommandRegistration Registered({
    "explain",
    "say what an error number means",
    "  lathe explain E0304      the number as a message shows it\n"
    "  lathe explain 304\n"
    "  lathe explain --list     all numbers\n",
    createCommand<ExplainCommand>,
});
