//===- RunReport.h - What a run tells about itself --------------*- C++ -*-===//
//
// The figures of `lathe run --stats`: sections of named values and of rows of
// values, as text for people and as JSON with the same names.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_RUNREPORT_H
#define LATHE_TOOLS_LATHE_RUNREPORT_H

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lathe::cli {

class RunReport {
public:
  /// What is added from now on belongs to it.  Names are words with '_' between,
  /// which the text shows as blanks.
  void section(std::string Name) { Sections.push_back({std::move(Name), {}}); }

  void add(std::string Name, std::string Text) { put(std::move(Name), std::move(Text), 0); }
  void add(std::string Name, int64_t Count) { put(std::move(Name), Count, 0); }
  /// `Digits` behind the point, in the text.
  void add(std::string Name, double Number, int Digits) { put(std::move(Name), Number, Digits); }
  /// A row; those of a section have equally many numbers.  What is not a number is
  /// shown as "-", and null in JSON.
  void add(std::string Name, std::vector<double> Numbers, int Digits) {
    put(std::move(Name), std::move(Numbers), Digits);
  }

  /// Sections one after the other, each line ending in a newline.
  std::string text() const;
  /// {"section": {"name": value, ...}, ...}
  std::string json() const;

private:
  using Value = std::variant<std::string, int64_t, double, std::vector<double>>;
  struct Item {
    std::string Name;
    Value Held;
    int Digits;
  };
  struct Section {
    std::string Name;
    std::vector<Item> Items;
  };

  static std::vector<std::string> cells(const Item &Each);
  void put(std::string Name, Value Held, int Digits) {
    Sections.back().Items.push_back({std::move(Name), std::move(Held), Digits});
  }

  std::vector<Section> Sections;
};

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_RUNREPORT_H
