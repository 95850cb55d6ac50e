//===- Cache.cpp - lathe cache ----------------------------------------------===//

#include "tools/lathe/CacheSections.h"
#include "tools/lathe/Command.h"
#include "tools/lathe/Json.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <ctime>
#include <numeric>

using namespace lathe;
using namespace lathe::cli;

namespace {
class CacheCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  using Sections = std::vector<std::unique_ptr<CacheSection>>;
  struct Action {
    std::string_view Name;
    void (CacheCommand::*Do)(const Sections &, Terminal &, Diagnostics &) const;
  };
  static const Action Actions[];

  void list(const Sections &Cache, Terminal &Term, Diagnostics &Diags) const;
  void clear(const Sections &Cache, Terminal &Term, Diagnostics &Diags) const;
  void verify(const Sections &Cache, Terminal &Term, Diagnostics &Diags) const;

  std::optional<std::string> Word;
  bool Json = false, Stale = false;
};
} // namespace

const CacheCommand::Action CacheCommand::Actions[] = {{"ls", &CacheCommand::list},
                                                      {"clear", &CacheCommand::clear},
                                                      {"verify", &CacheCommand::verify}};

void CacheCommand::declare(Options &Accepted) {
  Accepted.positional(Word, "ACTION", "ls, clear or verify", true);
  Accepted.flag(Json, "--json", "print JSON");
  Accepted.flag(Stale, "--stale", "clear only what no run will find any more");
}

static int64_t totalBytes(const std::vector<CacheRow> &Rows) {
  return std::accumulate(Rows.begin(), Rows.end(), int64_t(0),
                         [](int64_t Sum, const CacheRow &Each) { return Sum + Each.Bytes; });
}

static std::string sizeText(int64_t Bytes) { return formatBytes(static_cast<uint64_t>(Bytes)); }

/// "5 minutes ago".
static std::string ageText(int64_t Seconds) {
  struct Unit {
    int64_t Seconds;
    std::string_view Name;
  };
  constexpr Unit Units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
  for (const Unit &Each : Units)
    if (int64_t Count = Seconds / Each.Seconds; Count > 0)
      return std::to_string(Count) + " " + std::string(Each.Name) + (Count == 1 ? "" : "s") +
             " ago";
  return "now";
}

static std::string padded(std::string Text, size_t Width) {
  Text.resize(std::max(Text.size() + 2, Width), ' ');
  return Text;
}

/// One line of `ls`; names come from model files and must not steer a terminal.
static std::string line(const CacheRow &Row) {
  std::string Model = Row.Model.empty() ? "-" : escapeControls(Row.Model);
  std::string State = Row.Stale.empty() ? "" : "  stale: " + Row.Stale;
  std::string Text = Row.Key.substr(0, 12) + "  " + padded(sizeText(Row.Bytes), 12) +
                     padded(ageText(time(nullptr) - Row.Used), 18) + padded(std::move(Model), 28) +
                     escapeControls(Row.Detail) + State;
  Text.erase(Text.find_last_not_of(' ') + 1);
  return Text + "\n";
}

static void writeRow(JsonWriter &Out, const CacheRow &Row) {
  Out.beginObject()
      .field("key", Row.Key)
      .field("bytes", Row.Bytes)
      .field("used", Row.Used)
      .field("model", Row.Model)
      .field("detail", Row.Detail)
      .field("stale", Row.Stale)
      .endObject();
}

/// Adds what holds for a section, and `Rows` as its list `Name`.
static void writeSection(JsonWriter &Out, const CacheSection &Section, std::string_view Name,
                         const std::vector<CacheRow> &Rows) {
  Out.key(Section.name())
      .beginObject()
      .field("folder", Section.folder())
      .field("most_bytes", Section.mostBytes())
      .field("bytes", totalBytes(Rows))
      .key(Name)
      .beginArray();
  for (const CacheRow &Each : Rows)
    writeRow(Out, Each);
  Out.endArray().endObject();
}

void CacheCommand::list(const Sections &Cache, Terminal &Term, Diagnostics &) const {
  std::string Text;
  JsonWriter Out;
  Out.beginObject();
  for (const std::unique_ptr<CacheSection> &Section : Cache) {
    std::vector<CacheRow> Rows = Section->rows();
    writeSection(Out, *Section, "entries", Rows);
    Text += escapeControls(Section->folder()) + ": " + Section->countText(Rows.size()) + ", " +
            sizeText(totalBytes(Rows)) + " of at most " + sizeText(Section->mostBytes()) + "\n";
    for (const CacheRow &Each : Rows)
      Text += line(Each);
  }
  Term.out(Json ? Out.endObject().take() : Text);
}

void CacheCommand::clear(const Sections &Cache, Terminal &Term, Diagnostics &) const {
  std::string Text;
  JsonWriter Out;
  Out.beginObject();
  for (const std::unique_ptr<CacheSection> &Section : Cache) {
    std::vector<CacheRow> Removed = Section->clear(Stale);
    writeSection(Out, *Section, "removed", Removed);
    Text += escapeControls(Section->folder()) + ": removed " + Section->countText(Removed.size()) +
            ", " + sizeText(totalBytes(Removed)) + "\n";
  }
  Term.out(Json ? Out.endObject().take() : Text);
}

void CacheCommand::verify(const Sections &Cache, Terminal &Term, Diagnostics &Diags) const {
  std::string Text;
  JsonWriter Out;
  Out.beginObject();
  for (const std::unique_ptr<CacheSection> &Section : Cache) {
    Diagnostics Found;
    int64_t Sound = Section->verify(Found);
    // Here it is what was asked for, and so an error.
    for (const Diagnostic &Each : Found.all())
      Diags.error(Each.Number, Each.Where, Each.Message, Each.Hint);
    auto Damaged = static_cast<int64_t>(Found.all().size());
    Out.key(Section->name())
        .beginObject()
        .field("folder", Section->folder())
        .field("sound", Sound)
        .field("damaged", Damaged)
        .endObject();
    Text += escapeControls(Section->folder()) + ": " +
            Section->countText(static_cast<size_t>(Sound)) + " sound, " + std::to_string(Damaged) +
            " damaged and removed\n";
  }
  Term.out(Json ? Out.endObject().take() : Text);
}

void CacheCommand::run(Terminal &Term, Diagnostics &Diags) {
  std::vector<std::string> Names;
  for (const Action &Each : Actions)
    Names.emplace_back(Each.Name);
  auto Chosen = std::find(Names.begin(), Names.end(), *Word);
  if (Chosen == Names.end()) {
    std::optional<std::string> Near = nearestWord(*Word, Names);
    Diags.error(103, "lathe cache", "found " + quoted(*Word) + ", expected ls, clear or verify",
                Near ? "did you mean '" + *Near + "'?" : "");
    return;
  }
  const Action &Wanted = Actions[Chosen - Names.begin()];
  if (Stale && Wanted.Do != &CacheCommand::clear)
    Diags.error(111, "lathe cache", "found --stale, expected it with clear only");
  if (Diags.hasErrors())
    return;
  Sections Cache = openCacheSections(Diags);
  if (!Diags.hasErrors())
    (this->*Wanted.Do)(Cache, Term, Diags);
}

static CommandRegistration Registered({
    "cache",
    "show, check or clear the programs and packed weights that are kept",
    "  lathe cache ls               what is kept, the most recently used first\n"
    "  lathe cache ls --json\n"
    "  lathe cache verify           read every entry, remove damaged ones\n"
    "  lathe cache clear --stale    remove what no run will find any more\n"
    "  lathe cache clear            remove all; other files in the folder stay\n",
    createCommand<CacheCommand>,
});
