//===- Program.cpp - A compiled program, ready to be called -----*- C++ -*-===//

#include "runtime/session/Program.h"

#include "runtime/session/CodeImage.h"
#include "runtime/session/HostCPU.h"

#include <atomic>
#include <dlfcn.h>

namespace lathe {

Program::Program(std::string Where, std::string_view Text, Manifest Description,
                 std::shared_ptr<void> Owner)
    : Where(std::move(Where)), Text(Text), Description(std::move(Description)),
      Owner(std::move(Owner)) {}

static void tellMissingSymbol(const std::string &Symbol, const std::string &Where,
                              Diagnostics &Diags) {
  Diags.error(605, Where, "exports no '" + Symbol + "', expected a program compiled by lathe");
}

static std::optional<std::string_view> findManifest(const Program::Lookup &Find,
                                                    const std::string &Where, Diagnostics &Diags) {
  auto *Text = static_cast<const char *>(Find("lathe_manifest"));
  auto *Size = static_cast<const int64_t *>(Find("lathe_manifest_size"));
  if (!Text)
    tellMissingSymbol("lathe_manifest", Where, Diags);
  if (!Size)
    tellMissingSymbol("lathe_manifest_size", Where, Diags);
  if (!Text || !Size)
    return std::nullopt;
  return std::string_view(Text, static_cast<size_t>(*Size));
}

bool Program::checkHost(Diagnostics &Diags) const {
  if (Description.isForDevice()) {
    Diags.error(604, Where,
                "compiled for the GPU " + Description.Target +
                    ", expected code for this machine (" + hostDescription() + ")",
                "run it with --device cuda:0, or compile the model for the target 'host'");
    return false;
  }
  std::vector<std::string> Missing = missingFeatures(Description.Features);
  if (Missing.empty())
    return true;
  std::string Names;
  for (const std::string &Name : Missing)
    Names += (Names.empty() ? "" : ", ") + Name;
  Diags.error(604, Where,
              "compiled for " + Description.Target + " with " + Names +
                  ", which this machine does not offer (" + hostDescription() + ")",
              "compile the model for the target 'host'");
  return false;
}

/// The entries, or the text for a driver.
bool Program::findCode(const Lookup &Find, Diagnostics &Diags) {
  if (Description.isForDevice()) {
    constexpr const char *Symbol = "lathe_device_code";
    DeviceCode = static_cast<const char *>(Find(Symbol));
    if (!DeviceCode)
      tellMissingSymbol(Symbol, Where, Diags);
    return DeviceCode != nullptr;
  }
  bool Complete = true;
  for (const ManifestEntry &Entry : Description.Entries) {
    std::string Symbol = "lathe_entry_" + Entry.Name;
    Entries.push_back(reinterpret_cast<lathe_entry>(Find(Symbol.c_str())));
    if (Entries.back())
      continue;
    tellMissingSymbol(Symbol, Where, Diags);
    Complete = false;
  }
  return Complete;
}

std::shared_ptr<const Program> Program::create(const Lookup &Find, std::shared_ptr<void> Owner,
                                               const std::string &Where, Diagnostics &Diags) {
  std::optional<std::string_view> Text = findManifest(Find, Where, Diags);
  std::optional<Manifest> Description = Text ? Manifest::parse(*Text, Where, Diags) : std::nullopt;
  if (!Description)
    return nullptr;
  std::shared_ptr<Program> Result(
      new Program(Where, *Text, std::move(*Description), std::move(Owner)));
  return Result->findCode(Find, Diags) ? Result : nullptr;
}

std::shared_ptr<const Program> Program::openImage(std::span<const uint8_t> Library,
                                                  const std::string &Where, Diagnostics &Diags) {
  std::shared_ptr<CodeImage> Image = CodeImage::open(Library, Where, Diags);
  if (!Image)
    return nullptr;
  return create([&](const char *Symbol) { return Image->lookup(Symbol); }, Image, Where, Diags);
}

std::shared_ptr<const Program> Program::openLibrary(const std::string &Path, Diagnostics &Diags) {
  void *Handle = dlopen(Path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!Handle) {
    const char *Reason = dlerror();
    Diags.error(606, Path,
                std::string("cannot be opened as a shared library: ") +
                    (Reason ? Reason : "no reason given"));
    return nullptr;
  }
  std::shared_ptr<void> Library(Handle, [](void *Open) { dlclose(Open); });
  return create([Handle](const char *Symbol) { return dlsym(Handle, Symbol); }, Library, Path,
                Diags);
}

bool Program::run(size_t Index, lathe_step_args &Args, WorkerPool &Workers,
                  Diagnostics &Diags) const {
  Args.barrier = &WorkerPool::barrierCallback;
  Args.barrier_context = &Workers;
  std::atomic<int32_t> Status = 0;
  Workers.run([&](int64_t Worker, int64_t NumWorkers) {
    if (int32_t Own = Entries[Index](&Args, Worker, NumWorkers))
      Status.store(Own, std::memory_order_relaxed);
  });
  if (Status == 0)
    return true;
  Diags.error(806, "entry '" + Description.Entries[Index].Name + "'",
              "returned status " + std::to_string(Status) + ", expected 0");
  return false;
}

size_t Program::entryFor(int64_t Rows) const {
  size_t Index = 0;
  while (Index + 1 < Description.Entries.size() && Description.Entries[Index].MaxRows < Rows)
    ++Index;
  return Index;
}

} // namespace lathe
