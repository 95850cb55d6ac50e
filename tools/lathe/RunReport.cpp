//===- RunReport.cpp - What a run tells about itself --------------------------===//

#include "tools/lathe/RunReport.h"
#include "tools/lathe/Json.h"
#include "tools/lathe/TextTable.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <cmath>
#include <optional>

using namespace lathe;
using namespace lathe::cli;

static std::string shownName(std::string Name) {
  std::ranges::replace(Name, '_', ' ');
  return Name;
}

static std::string shownNumber(double Number, int Digits) {
  return std::isfinite(Number) ? formatFixed(Number, Digits) : "-";
}

/// The name, and a cell for each value.
std::vector<std::string> RunReport::cells(const Item &Each) {
  std::vector<std::string> Cells = {shownName(Each.Name)};
  if (auto *Text = std::get_if<std::string>(&Each.Held))
    Cells.push_back(*Text);
  else if (auto *Count = std::get_if<int64_t>(&Each.Held))
    Cells.push_back(std::to_string(*Count));
  else if (auto *Number = std::get_if<double>(&Each.Held))
    Cells.push_back(shownNumber(*Number, Each.Digits));
  else
    for (double One : *std::get_if<std::vector<double>>(&Each.Held))
      Cells.push_back(shownNumber(One, Each.Digits));
  return Cells;
}

std::string RunReport::text() const {
  std::string All;
  for (const Section &Part : Sections) {
    TextTable Values({shownName(Part.Name), ""});
    std::optional<TextTable> Rows; // Its columns are not those of single values.
    for (const Item &Each : Part.Items)
      if (!std::holds_alternative<std::vector<double>>(Each.Held))
        Values.add(cells(Each));
      else if (Rows)
        Rows->add(cells(Each));
      else
        Rows.emplace(cells(Each));
    All += Values.text() + (Rows ? Rows->text() : "");
  }
  return All;
}

std::string RunReport::json() const {
  JsonWriter Json;
  Json.beginObject();
  for (const Section &Part : Sections) {
    Json.key(Part.Name).beginObject();
    for (const Item &Each : Part.Items) {
      Json.key(Each.Name);
      if (auto *Numbers = std::get_if<std::vector<double>>(&Each.Held)) {
        Json.beginArray();
        for (double One : *Numbers)
          Json.value(One);
        Json.endArray();
      } else if (auto *Text = std::get_if<std::string>(&Each.Held))
        Json.value(*Text);
      else if (auto *Count = std::get_if<int64_t>(&Each.Held))
        Json.value(*Count);
      else
        Json.value(*std::get_if<double>(&Each.Held));
    }
    Json.endObject();
  }
  return Json.endObject().take();
}
