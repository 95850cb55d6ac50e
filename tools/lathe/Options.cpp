//===- Options.cpp - Command lines, read with CLI11 -------------------------===//
//
// The one file of the project that is compiled with exceptions: CLI11 reports
// by throwing.  Everything it can throw is caught in `tokenize`.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Options.h"
#include "tools/lathe/Terminal.h"

#include "runtime/support/Text.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <span>

using namespace lathe;
using namespace lathe::cli;

static Diagnostic fault(unsigned Number, std::string Where, std::string Message,
                        std::string Hint = {}) {
  return {Severity::Error, Number, std::move(Where), std::move(Message), std::move(Hint)};
}

template <typename T> static std::string shortest(T Value) {
  char Buffer[32];
  std::to_chars_result End = std::to_chars(Buffer, Buffer + sizeof(Buffer), Value);
  return std::string(Buffer, End.ptr);
}

/// Reads all of `Word` as a number within `Bounds`.
template <typename T>
static std::optional<Diagnostic> readNumber(const std::string &Names, const std::string &Word,
                                            Range<T> Bounds, std::string_view Kind, T &Value) {
  const char *First = Word.data(), *Last = Word.data() + Word.size();
  std::from_chars_result Read = std::from_chars(First, Last, Value);
  std::string Expected = "expected " + std::string(Kind) + " from " + shortest(Bounds.Min) +
                         " to " + shortest(Bounds.Max);
  if (Read.ec == std::errc::invalid_argument || Read.ptr != Last)
    return fault(104, Names, "found " + lathe::quoted(Word) + ", " + Expected);
  // Written so that a NaN is out of range too.
  if (Read.ec == std::errc::result_out_of_range || !(Value >= Bounds.Min && Value <= Bounds.Max))
    return fault(105, Names, "found " + lathe::quoted(Word) + ", " + Expected);
  return std::nullopt;
}

static std::string joined(const std::vector<std::string> &Words, std::string_view Between) {
  std::string Text;
  for (const std::string &Word : Words)
    Text += (Text.empty() ? "" : std::string(Between)) + Word;
  return Text;
}

void Options::positional(std::optional<std::string> &Into, std::string Name, std::string Help,
                         bool Required) {
  add({Name, Name, std::move(Help), true, Required, [&Into](const std::string &Word) {
         Into = Word;
         return std::optional<Diagnostic>();
       }});
}

void Options::positionals(std::vector<std::string> &Into, std::string Name, std::string Help) {
  add({Name, Name, std::move(Help), true, false, [&Into](const std::string &Word) {
         Into.push_back(Word);
         return std::optional<Diagnostic>();
       }});
  List.back().Many = true;
}

void Options::flag(bool &Into, std::string Names, std::string Help) {
  add({Names, "", std::move(Help), false, false, [&Into, Names](const std::string &Word) {
         std::optional<Diagnostic> Fault;
         Into = Word == "true";
         if (Word != "true" && Word != "false")
           Fault = fault(103, Names, "found the value " + lathe::quoted(Word) + ", expected none");
         return Fault;
       }});
}

void Options::text(std::optional<std::string> &Into, std::string Names, std::string Meta,
                   std::string Help) {
  add({std::move(Names), std::move(Meta), std::move(Help), false, false,
       [&Into](const std::string &Word) {
         Into = Word;
         return std::optional<Diagnostic>();
       }});
}

void Options::text(std::string &Into, std::string Names, std::string Meta, std::string Help) {
  add({std::move(Names), std::move(Meta), std::move(Help), false, false,
       [&Into](const std::string &Word) {
         Into = Word;
         return std::optional<Diagnostic>();
       }});
}

void Options::texts(std::vector<std::string> &Into, std::string Names, std::string Meta,
                    std::string Help) {
  add({std::move(Names), std::move(Meta), std::move(Help), false, false,
       [&Into](const std::string &Word) {
         Into.push_back(Word);
         return std::optional<Diagnostic>();
       }});
  List.back().Many = true;
}

void Options::integer(std::optional<int64_t> &Into, std::string Names, std::string Help,
                      Range<int64_t> Bounds) {
  add({Names, "N", std::move(Help), false, false, [&Into, Names, Bounds](const std::string &Word) {
         int64_t Value = 0;
         std::optional<Diagnostic> Fault =
             readNumber<int64_t>(Names, Word, Bounds, "a whole number", Value);
         if (!Fault)
           Into = Value;
         return Fault;
       }});
}

void Options::number(std::optional<double> &Into, std::string Names, std::string Help,
                     Range<double> Bounds) {
  add({Names, "X", std::move(Help), false, false, [&Into, Names, Bounds](const std::string &Word) {
         double Value = 0;
         std::optional<Diagnostic> Fault =
             readNumber<double>(Names, Word, Bounds, "a number", Value);
         if (!Fault)
           Into = Value;
         return Fault;
       }});
}

void Options::choice(std::string &Into, std::string Names, std::vector<std::string> Words,
                     std::string Help) {
  Help += ": " + joined(Words, ", ");
  auto Store = [&Into, Names, Words](const std::string &Word) {
    std::optional<Diagnostic> Fault;
    if (std::find(Words.begin(), Words.end(), Word) != Words.end()) {
      Into = Word;
      return Fault;
    }
    std::optional<std::string> Near = nearestWord(Word, Words);
    Fault = fault(103, Names,
                  "found " + lathe::quoted(Word) + ", expected one of " + joined(Words, ", "),
                  Near ? "did you mean '" + *Near + "'?" : "");
    return Fault;
  };
  add({std::move(Names), "WORD", std::move(Help), false, false, std::move(Store),
       std::move(Words)});
}

void Options::checked(std::optional<std::string> &Into, std::string Names, std::string Meta,
                      std::string Help,
                      std::function<std::optional<std::string>(const std::string &)> Check) {
  add({Names, std::move(Meta), std::move(Help), false, false,
       [&Into, Names, Check = std::move(Check)](const std::string &Word) {
         std::optional<Diagnostic> Fault;
         if (std::optional<std::string> Message = Check(Word))
           Fault = fault(103, Names, *Message);
         else
           Into = Word;
         return Fault;
       }});
}

void Options::converted(std::string &Into, std::string Names, std::string Meta, std::string Help,
                        std::function<std::optional<Diagnostic>(std::string &)> Convert) {
  add({std::move(Names), std::move(Meta), std::move(Help), false, false,
       [&Into, Convert = std::move(Convert)](const std::string &Word) {
         Into = Word;
         return Convert(Into);
       }});
}

/// What CLI11 made of the words: per option its words, the rest, or a fault.
namespace {
struct Tokens {
  std::vector<std::vector<std::string>> Values;
  std::vector<std::string> Extras;
  std::string Fault; ///< A flag that lacks its value, as CLI11 names it.
};
} // namespace

/// Lets CLI11 sort words to options.
static Tokens tokenize(const std::vector<Options::Option> &Known,
                       const std::vector<std::string> &Words) {
  Tokens Result;
  Result.Values.resize(Known.size());
  try {
    CLI::App App;
    App.set_help_flag();
    App.allow_extras();
    std::vector<CLI::Option *> Parsed;
    for (const Options::Option &Each : Known) {
      bool TakesValue = !Each.Meta.empty();
      CLI::Option *Option = TakesValue ? App.add_option(Each.Names) : App.add_flag(Each.Names);
      if (TakesValue)
        Option->type_size(1)->expected(1)->multi_option_policy(
            Each.Many ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
      // Any number of them.
      if (Each.Many && Each.Positional)
        Option->expected(-1);
      Parsed.push_back(Option);
    }
    std::vector<std::string> Reversed(Words.rbegin(), Words.rend());
    App.parse(Reversed);
    for (size_t I = 0; I < Parsed.size(); ++I)
      if (Parsed[I]->count() != 0)
        Result.Values[I] = Parsed[I]->results();
    Result.Extras = App.remaining();
    // The mark before words that are no flags is kept among the extras.
    std::erase(Result.Extras, "--");
  } catch (const CLI::ArgumentMismatch &Error) {
    // "--temp: 1 required TEXT missing": only the name is worth telling.
    std::string Text = Error.what();
    Result.Fault = Text.substr(0, Text.find(':')) + ": found no value, expected one";
  } catch (const std::exception &Error) {
    Result.Fault = Error.what();
  } catch (...) {
    Result.Fault = "the command line cannot be read";
  }
  return Result;
}

std::vector<std::string> Options::Option::names() const { return CLI::detail::split(Names, ','); }

void Options::reportUnknown(const std::vector<std::string> &Extras, const std::string &CommandName,
                            Diagnostics &Diags) const {
  std::vector<std::string> Known{"--help"};
  for (const Option &Each : List)
    if (!Each.Positional)
      for (std::string &Name : Each.names())
        Known.push_back(std::move(Name));
  std::string See = "'" + CommandName + " --help' lists the flags";
  bool UnknownFlag = false;
  for (const std::string &Word : Extras) {
    if (Word.size() < 2 || Word[0] != '-')
      continue;
    UnknownFlag = true;
    std::string Name = Word.substr(0, Word.find('='));
    std::optional<std::string> Near = Name.size() > 2 ? nearestWord(Name, Known) : std::nullopt;
    Diags.error(102, CommandName, "found unknown flag " + lathe::quoted(Name),
                Near ? "did you mean '" + *Near + "'?" : See);
  }
  // After an unknown flag a stray word is most likely that flag's value.
  if (UnknownFlag || Extras.empty())
    return;
  Diags.error(107, CommandName,
              "found " + lathe::quoted(Extras.front()) + ", expected no further argument",
              "put a text of several words in quotes");
}

void Options::preset(std::string_view Name, const std::string &Value) {
  auto Found = std::find_if(List.begin(), List.end(),
                            [&](const Option &Each) { return Each.Names == Name; });
  if (Found == List.end())
    return;
  Found->Store(Value);
  List.erase(Found);
}

bool Options::parse(const std::vector<std::string> &Words, const std::string &CommandName,
                    Diagnostics &Diags) {
  for (const std::string &Word : Words) {
    if (Word == "--")
      break;
    HelpAsked |= Word == "--help" || Word == "-h";
  }
  if (HelpAsked)
    return true;
  Tokens Parsed = tokenize(List, Words);
  if (!Parsed.Fault.empty()) {
    Diags.error(106, CommandName, Parsed.Fault,
                "'" + CommandName + " --help' shows what each flag takes");
    return false;
  }
  reportUnknown(Parsed.Extras, CommandName, Diags);
  for (size_t I = 0; I < List.size(); ++I) {
    const std::vector<std::string> &Given = Parsed.Values[I];
    if (Given.empty() && List[I].Required)
      Diags.error(108, CommandName, "found no " + List[I].Names + ", expected one",
                  "usage: " + CommandName + " " + usage());
    if (Given.empty())
      continue;
    size_t First = List[I].Many ? 0 : Given.size() - 1;
    for (const std::string &Word : std::span(Given).subspan(First))
      if (std::optional<Diagnostic> Fault = List[I].Store(Word))
        Diags.error(Fault->Number, Fault->Where, Fault->Message, Fault->Hint);
  }
  return !Diags.hasErrors();
}

std::string Options::usage() const {
  std::string Text;
  for (const Option &Each : List)
    if (Each.Positional)
      Text += Each.Required ? Each.Names + " " : "[" + Each.Names + (Each.Many ? "...] " : "] ");
  return Text + "[flags]";
}

/// "-o, --output FILE"; a long list of words is left to the help text.
static std::string leftColumn(const std::string &Names, const std::string &Meta, bool Positional) {
  std::string Left = "  ";
  for (char C : Names)
    Left += C == ',' ? std::string(", ") : std::string(1, C);
  return Positional || Meta.empty() ? Left : Left + " " + Meta;
}

std::string Options::helpTable() const {
  constexpr size_t Column = 22;
  std::string Text;
  for (const Option &Each : List) {
    std::string Left = leftColumn(Each.Names, Each.Meta, Each.Positional);
    if (Left.size() < Column)
      Left.resize(Column, ' ');
    else
      Left += "\n" + std::string(Column, ' ');
    Text += Left + wrapText(Each.Help, Column) + "\n";
  }
  return Text;
}
