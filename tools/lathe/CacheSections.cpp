//===- CacheSections.cpp - What `lathe cache` shows -----------------------===//

#include "tools/lathe/CacheSections.h"

#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/HostCPU.h"
#include "runtime/session/ProgramCache.h"
#include "runtime/weights/WeightCache.h"

#include <algorithm>
#include <unistd.h>

using namespace lathe;
using namespace lathe::cli;

static std::string counted(size_t Count, std::string_view Noun) {
  return std::to_string(Count) + " " + std::string(Noun) + (Count == 1 ? "" : "s");
}

namespace {

class ProgramSection final : public CacheSection {
public:
  explicit ProgramSection(ProgramCache Cache) : Cache(std::move(Cache)) {}

  std::string_view name() const override { return "programs"; }
  std::string countText(size_t Count) const override { return counted(Count, "program"); }
  std::string folder() const override { return Cache.folder(); }
  int64_t mostBytes() const override { return Cache.maxBytes(); }

  std::vector<CacheRow> rows() const override {
    std::vector<CacheRow> Rows;
    for (const CacheFile &Each : Cache.list())
      Rows.push_back(row(Each));
    std::reverse(Rows.begin(), Rows.end());
    return Rows;
  }

  std::vector<CacheRow> clear(bool StaleOnly) override {
    std::vector<CacheRow> Rows;
    for (const CacheFile &Each : Cache.clear(
             [&](const CacheFile &Entry) { return !StaleOnly || !staleness(Entry).empty(); }))
      Rows.push_back(row(Each));
    return Rows;
  }

  int64_t verify(Diagnostics &Diags) override { return Cache.verify(Diags); }

private:
  std::string staleness(const CacheFile &Entry) const {
    if (!Entry.Note)
      return "unreadable";
    if (Entry.Note->CompilerBuild != Build)
      return "other compiler";
    return Entry.Note->Host != hostDescription() ? "other CPU" : "";
  }

  CacheRow row(const CacheFile &Entry) const {
    CacheNote Note = Entry.Note.value_or(CacheNote());
    return {
        Entry.Key,       Entry.Bytes, Entry.Used, Note.Model, Note.Target + " " + Note.Precision,
        staleness(Entry)};
  }

  ProgramCache Cache;
  std::string Build = CompilerLibrary::buildID(CompilerLibrary::locate());
};

class WeightSection final : public CacheSection {
public:
  WeightSection(WeightCache Cache, uint64_t MostBytes)
      : Cache(std::move(Cache)), MostBytes(static_cast<int64_t>(MostBytes)) {}

  std::string_view name() const override { return "weights"; }
  std::string countText(size_t Count) const override { return counted(Count, "packed model"); }
  std::string folder() const override { return Cache.folder().path(); }
  int64_t mostBytes() const override { return MostBytes; }

  std::vector<CacheRow> rows() const override {
    std::vector<CacheRow> Rows;
    for (const WeightEntry &Each : Cache.list())
      Rows.push_back(row(Each));
    std::reverse(Rows.begin(), Rows.end());
    return Rows;
  }

  std::vector<CacheRow> clear(bool StaleOnly) override {
    std::vector<CacheRow> Rows = rows();
    if (StaleOnly)
      std::erase_if(Rows, [](const CacheRow &Each) { return Each.Stale.empty(); });
    for (const CacheRow &Each : Rows)
      Cache.folder().remove(Each.Key);
    return Rows;
  }

  int64_t verify(Diagnostics &Diags) override { return static_cast<int64_t>(Cache.verify(Diags)); }

private:
  static CacheRow row(const WeightEntry &Entry) {
    std::string Stale;
    if (Entry.Model.empty())
      Stale = "unreadable";
    else if (access(Entry.Model.c_str(), F_OK) != 0)
      Stale = "no model file";
    constexpr int64_t Nanoseconds = 1000000000;
    return {Entry.Key,
            static_cast<int64_t>(Entry.Bytes),
            Entry.UsedNanoseconds / Nanoseconds,
            Entry.Model,
            "",
            std::move(Stale)};
  }

  WeightCache Cache;
  int64_t MostBytes;
};

} // namespace

std::vector<std::unique_ptr<CacheSection>> cli::openCacheSections(Diagnostics &Diags) {
  std::vector<std::unique_ptr<CacheSection>> Sections;
  Diagnostics Local;
  if (std::optional<ProgramCache> Programs = ProgramCache::openDefault(Local))
    Sections.push_back(std::make_unique<ProgramSection>(std::move(*Programs)));
  // Also where the environment turned it off: what is left there can be cleared.
  std::string Folder = WeightCache::defaultFolder();
  if (std::optional<WeightCache> Weights = WeightCache::open(Folder, Local, 0)) {
    uint64_t Most = WeightCache::defaultMaxBytes(Weights->folder(), Local);
    Sections.push_back(std::make_unique<WeightSection>(std::move(*Weights), Most));
  }
  for (const Diagnostic &Each : Local.all())
    if (Each.Number == 620)
      Diags.error(Each.Number, Each.Where, Each.Message, Each.Hint);
    else
      Diags.warning(Each.Number, Each.Where, Each.Message, Each.Hint);
  return Sections;
}
