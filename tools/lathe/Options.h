//===- Options.h - What a command accepts -----------------------*- C++ -*-===//
//
// A command declares its flags and arguments here and never sees the parser.
// CLI11, which throws, stays behind Options.cpp.  Values are converted and
// checked by us, so that everything wrong with a command line is told at once,
// each with a number and, where something similar exists, a "did you mean".
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_OPTIONS_H
#define LATHE_TOOLS_LATHE_OPTIONS_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::cli {

/// Bounds of a number, both included.
template <typename T> struct Range {
  T Min;
  T Max;
};

class Options {
public:
  struct Option {
    std::string Names;
    std::string Meta; ///< Empty for a flag.
    std::string Help;
    bool Positional = false;
    bool Required = false;
    /// Takes the word that was given; answers with the fault, or nothing.
    std::function<std::optional<Diagnostic>(const std::string &)> Store;
    std::vector<std::string> Words = {}; ///< All that it takes, where these are few.
    bool Many = false;                   ///< May stand several times, each stored.

    /// "-o" and "--output".
    std::vector<std::string> names() const;
  };

  /// A positional argument; they are filled in the order of declaration.  `Into`
  /// stays empty when an optional one is not given.
  void positional(std::optional<std::string> &Into, std::string Name, std::string Help,
                  bool Required);

  /// Any number of them, behind all other positional arguments.
  void positionals(std::vector<std::string> &Into, std::string Name, std::string Help);

  /// `Names` is "-n" or "--temp" or "-o,--output".
  void flag(bool &Into, std::string Names, std::string Help);
  void text(std::optional<std::string> &Into, std::string Names, std::string Meta,
            std::string Help);
  /// `Into` keeps its default when the flag is absent.
  void text(std::string &Into, std::string Names, std::string Meta, std::string Help);
  /// May stand several times.
  void texts(std::vector<std::string> &Into, std::string Names, std::string Meta, std::string Help);
  void integer(std::optional<int64_t> &Into, std::string Names, std::string Help,
               Range<int64_t> Bounds);
  void number(std::optional<double> &Into, std::string Names, std::string Help,
              Range<double> Bounds);
  /// One of a few words; `Into` keeps its default when the flag is absent.
  void choice(std::string &Into, std::string Names, std::vector<std::string> Words,
              std::string Help);
  /// Any value that `Check` accepts; it answers with the fault, or nothing.
  void checked(std::optional<std::string> &Into, std::string Names, std::string Meta,
               std::string Help,
               std::function<std::optional<std::string>(const std::string &)> Check);

  /// Any value, which `Convert` may change, or answer with the fault.
  void converted(std::string &Into, std::string Names, std::string Meta, std::string Help,
                 std::function<std::optional<Diagnostic>(std::string &)> Convert);

  /// Stores the value of a positional argument that was declared: it is no more
  /// asked for, nor told of.
  void preset(std::string_view Name, const std::string &Value);

  /// Parses the words after the command's name, which messages give as
  /// `CommandName` ("lathe run"), and stores the values.  False
  /// when there are errors.  A --help anywhere wins: then `helpAsked()` is true
  /// and nothing else is checked.
  bool parse(const std::vector<std::string> &Words, const std::string &CommandName,
             Diagnostics &Diags);
  bool helpAsked() const { return HelpAsked; }

  /// "MODEL [PROMPT] [flags]".
  std::string usage() const;
  /// Two columns, one line per argument and flag where it fits into 80 columns.
  std::string helpTable() const;
  /// What that table shows.
  const std::vector<Option> &all() const { return List; }

private:
  void add(Option New) { List.push_back(std::move(New)); }
  void reportUnknown(const std::vector<std::string> &Extras, const std::string &CommandName,
                     Diagnostics &Diags) const;

  std::vector<Option> List;
  bool HelpAsked = false;
};

/// The word of `Candidates` nearest to `Word`, if it is near enough to be what
/// was meant (at most a third of its letters differ).
std::optional<std::string> nearestWord(std::string_view Word,
                                       const std::vector<std::string> &Candidates);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_OPTIONS_H
