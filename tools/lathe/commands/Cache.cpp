//===- Cache.cpp - lathe cache ----------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/Json.h"

#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/HostCPU.h"
#include "runtime/session/ProgramCache.h"
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
  struct Action {
    std::string_view Name;
    void (CacheCommand::*Do)(const ProgramCache &, Terminal &, Diagnostics &) const;
  };
  static const Action Actions[];

  void list(const ProgramCache &Cache, Terminal &Term, Diagnostics &Diags) const;
  void clear(const ProgramCache &Cache, Terminal &Term, Diagnostics &Diags) const;
  void verify(const ProgramCache &Cache, Terminal &Term, Diagnostics &Diags) const;

  std::optional<std::string> Word;
  bool Json = false, Stale = false;
};

/// Why an entry is never found any more; empty when it may be.
class Staleness {
public:
  std::string_view reason(const CacheFile &Entry) const {
    if (!Entry.Note)
      return "unreadable";
    if (Entry.Note->CompilerBuild != Build)
      return "other compiler";
    return Entry.Note->Host != hostDescription() ? "other CPU" : "";
  }

private:
  std::string Build = CompilerLibrary::buildID(CompilerLibrary::locate());
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

static int64_t totalBytes(const std::vector<CacheFile> &Entries) {
  return std::accumulate(Entries.begin(), Entries.end(), int64_t(0),
                         [](int64_t Sum, const CacheFile &Each) { return Sum + Each.Bytes; });
}

static std::string sizeText(int64_t Bytes) { return formatBytes(static_cast<uint64_t>(Bytes)); }

/// "3 programs".
static std::string countText(size_t Count) {
  return std::to_string(Count) + (Count == 1 ? " program" : " programs");
}

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
static std::string line(const CacheFile &Entry, std::string_view Reason) {
  CacheNote Note = Entry.Note.value_or(CacheNote());
  std::string Model = Note.Model.empty() ? "-" : escapeControls(Note.Model);
  std::string State = Reason.empty() ? "" : "  stale: " + std::string(Reason);
  return Entry.Key.substr(0, 12) + "  " + padded(sizeText(Entry.Bytes), 12) +
         padded(ageText(time(nullptr) - Entry.Used), 18) + padded(std::move(Model), 28) +
         escapeControls(Note.Target + " " + Note.Precision + " " + Note.KVType) + State + "\n";
}

static void writeEntry(JsonWriter &Out, const CacheFile &Entry, std::string_view Reason) {
  CacheNote Note = Entry.Note.value_or(CacheNote());
  Out.beginObject()
      .field("key", Entry.Key)
      .field("bytes", Entry.Bytes)
      .field("used", Entry.Used)
      .field("model", Note.Model)
      .field("target", Note.Target)
      .field("precision", Note.Precision)
      .field("kv_type", Note.KVType)
      .field("stale", Reason)
      .endObject();
}

static std::string entriesJson(const ProgramCache &Cache, std::string_view Name,
                               const std::vector<CacheFile> &Entries) {
  Staleness Stale;
  JsonWriter Out;
  Out.beginObject()
      .field("folder", Cache.folder())
      .field("most_bytes", Cache.maxBytes())
      .field("bytes", totalBytes(Entries))
      .key(Name)
      .beginArray();
  for (const CacheFile &Each : Entries)
    writeEntry(Out, Each, Stale.reason(Each));
  Out.endArray().endObject();
  return Out.take();
}

void CacheCommand::list(const ProgramCache &Cache, Terminal &Term, Diagnostics &Diags) const {
  std::vector<CacheFile> Entries = Cache.list();
  std::reverse(Entries.begin(), Entries.end());
  if (Json) {
    Term.out(entriesJson(Cache, "programs", Entries));
    return;
  }
  Staleness Stale;
  std::string Text = escapeControls(Cache.folder()) + ": " + countText(Entries.size()) + ", " +
                     sizeText(totalBytes(Entries)) + " of at most " + sizeText(Cache.maxBytes()) +
                     "\n";
  for (const CacheFile &Each : Entries)
    Text += line(Each, Stale.reason(Each));
  Term.out(Text);
}

void CacheCommand::clear(const ProgramCache &Cache, Terminal &Term, Diagnostics &Diags) const {
  Staleness Old;
  std::vector<CacheFile> Removed =
      Cache.clear([&](const CacheFile &Each) { return !Stale || !Old.reason(Each).empty(); });
  Term.out(Json ? entriesJson(Cache, "removed", Removed)
                : escapeControls(Cache.folder()) + ": removed " + countText(Removed.size()) + ", " +
                      sizeText(totalBytes(Removed)) + "\n");
}

void CacheCommand::verify(const ProgramCache &Cache, Terminal &Term, Diagnostics &Diags) const {
  Diagnostics Found;
  int64_t Sound = Cache.verify(Found);
  // Here it is what was asked for, and so an error.
  for (const Diagnostic &Each : Found.all())
    Diags.error(Each.Number, Each.Where, Each.Message, Each.Hint);
  if (!Json) {
    Term.out(escapeControls(Cache.folder()) + ": " + countText(static_cast<size_t>(Sound)) +
             " sound, " + std::to_string(Found.all().size()) + " damaged and removed\n");
    return;
  }
  JsonWriter Out;
  Out.beginObject()
      .field("folder", Cache.folder())
      .field("sound", Sound)
      .field("damaged", static_cast<int64_t>(Found.all().size()))
      .endObject();
  Term.out(Out.take());
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
  Diagnostics Local;
  std::optional<ProgramCache> Cache = ProgramCache::openDefault(Local);
  for (const Diagnostic &Each : Local.all())
    if (Cache)
      Diags.warning(Each.Number, Each.Where, Each.Message, Each.Hint);
    else
      Diags.error(Each.Number, Each.Where, Each.Message, Each.Hint);
  if (Cache)
    (this->*Wanted.Do)(*Cache, Term, Diags);
}

static CommandRegistration Registered({
    "cache",
    "show, check or clear the compiled programs that are kept",
    "  lathe cache ls               what is kept, the most recently used first\n"
    "  lathe cache ls --json\n"
    "  lathe cache verify           check every program, remove damaged ones\n"
    "  lathe cache clear --stale    remove those of other compilers and CPUs\n"
    "  lathe cache clear            remove all; other files in the folder stay\n",
    createCommand<CacheCommand>,
});
