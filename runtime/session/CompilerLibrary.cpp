//===- CompilerLibrary.cpp - liblathe-compiler.so, opened late --*- C++ -*-===//

#include "runtime/session/CompilerLibrary.h"

#include "runtime/support/LoadedObjects.h"
#include "runtime/support/MappedMemory.h"
#include "runtime/support/SiblingFile.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <optional>

#include <dlfcn.h>
#include <sys/stat.h>

namespace lathe {

static constexpr const char *LibraryName = "liblathe-compiler.so";

std::string CompilerLibrary::locate() { return findSiblingFile(LibraryName, "LATHE_COMPILER"); }

std::string CompilerLibrary::buildID(const std::string &Path) {
  struct stat Status;
  if (Path.empty() || stat(Path.c_str(), &Status) != 0)
    return {};
  return std::to_string(Status.st_size) + "-" + std::to_string(Status.st_mtim.tv_sec) + "." +
         std::to_string(Status.st_mtim.tv_nsec);
}

/// The table of the library at `Path`, or null with an error.
static const lathe_compiler_api *openTable(const std::string &Path, Diagnostics &Diags) {
  struct stat Status;
  if (stat(Path.c_str(), &Status) == 0 && (Status.st_mode & S_IWOTH)) {
    Diags.error(610, Path, "any user may write it, expected the compiler to be protected",
                "chmod o-w " + Path);
    return nullptr;
  }
  // The compiler itself is linked to be bound at once; the tens of thousands of
  // functions of MLIR and LLVM that call each other are bound as they are called.
  void *Handle = dlopen(Path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (!Handle) {
    const char *Reason = dlerror();
    Diags.error(610, Path, std::string("cannot be opened: ") + (Reason ? Reason : "no reason"),
                "reinstall lathe with its compiler");
    return nullptr;
  }
  auto GetTable =
      reinterpret_cast<lathe_compiler_api_v1_fn>(dlsym(Handle, "lathe_compiler_api_v1"));
  const lathe_compiler_api *Table = GetTable ? GetTable() : nullptr;
  if (Table && Table->struct_size >= sizeof(lathe_compiler_api))
    return Table;
  Diags.error(611, Path,
              Table ? "its interface has " + std::to_string(Table->struct_size) +
                          " bytes, expected at least " + std::to_string(sizeof(lathe_compiler_api))
                    : "has no function 'lathe_compiler_api_v1'",
              "use the compiler that was built with this runtime");
  dlclose(Handle);
  return nullptr;
}

void CompilerLibrary::releasePages() const {
  for (std::span<const uint8_t> Segment : Code)
    releaseFilePages(Segment.data(), Segment.size());
}

const CompilerLibrary *CompilerLibrary::open(Diagnostics &Diags) {
  static std::mutex Mutex;
  static std::optional<CompilerLibrary> Opened;
  std::lock_guard<std::mutex> Guard(Mutex);
  if (Opened)
    return &*Opened;
  std::string Path = locate();
  if (Path.empty()) {
    const char *Asked = getenv("LATHE_COMPILER");
    bool IsAsked = Asked && *Asked;
    Diags.error(610, IsAsked ? Asked : LibraryName,
                IsAsked ? "LATHE_COMPILER names no file"
                        : "not found in ../lib of, or beside, the program",
                "install the compiler, or set LATHE_COMPILER to its path");
    return nullptr;
  }
  std::vector<LoadedObject> Before = listLoadedObjects();
  if (const lathe_compiler_api *Table = openTable(Path, Diags))
    Opened = CompilerLibrary(Table, newReadOnlySegments(Before, listLoadedObjects()));
  return Opened ? &*Opened : nullptr;
}

std::shared_ptr<CompileResult> CompilerLibrary::compile(const CompileRequest &Request,
                                                        Diagnostics &Diags) const {
  lathe_compile_request Raw = {};
  Raw.struct_size = sizeof(Raw);
  Raw.input = Request.Input.c_str();
  Raw.target = Request.Target.c_str();
  Raw.precision = Request.Precision.c_str();
  Raw.kv_type = Request.KVType.c_str();
  Raw.max_prefill_rows = Request.MaxPrefillRows;
  Raw.emit = Request.Emit.empty() ? nullptr : Request.Emit.c_str();
  Raw.verify_each_pass = Request.VerifyEachPass;
  Raw.passes = Request.Passes.empty() ? nullptr : Request.Passes.c_str();
  Raw.reproducer_dir =
      Request.ReproducerFolder.empty() ? nullptr : Request.ReproducerFolder.c_str();
  Raw.timing = Request.Timing;
  Raw.machine = Request.Machine.empty() ? nullptr : Request.Machine.c_str();
  Raw.depth = Request.Depth;
  Raw.layers = Request.Layers.c_str();
  Raw.skip = Request.Skip.c_str();
  if (Request.OnManifest) {
    Raw.on_manifest = [](void *Context, const char *Text, size_t Size) {
      static_cast<const CompileRequest *>(Context)->OnManifest({Text, Size});
    };
    Raw.manifest_context = const_cast<CompileRequest *>(&Request);
  }
  auto Result = std::make_shared<CompileResult>(*API, API->compile(&Raw));

  unsigned ErrorsBefore = Diags.errorCount();
  appendPrintedDiagnostics(Result->diagnostics(), Diags);
  if (Result->exitCode() == 0)
    return Result;
  if (Diags.errorCount() == ErrorsBefore)
    Diags.error(612, Request.Input,
                "the compiler failed with exit code " + std::to_string(Result->exitCode()) +
                    " and told no error");
  return nullptr;
}

std::span<const uint8_t> CompileResult::output() const {
  size_t Size = 0;
  const uint8_t *Bytes = API.output(Result, &Size);
  return {Bytes, Bytes ? Size : 0};
}

/// Takes "error[E0304]: " or "warning[E0304]: " from the front of `Line`.
static std::optional<Diagnostic> takeHeader(std::string_view &Line) {
  constexpr size_t NumDigits = 4;
  for (auto [Start, Level] : {std::pair<std::string_view, Severity>("error[E", Severity::Error),
                              {"warning[E", Severity::Warning}}) {
    if (!Line.starts_with(Start) ||
        Line.substr(std::min(Line.size(), Start.size() + NumDigits), 3) != "]: ")
      continue;
    Diagnostic Header{Level, 0, {}, {}, {}};
    for (char Digit : Line.substr(Start.size(), NumDigits)) {
      if (Digit < '0' || Digit > '9')
        return std::nullopt;
      Header.Number = Header.Number * 10 + static_cast<unsigned>(Digit - '0');
    }
    Line.remove_prefix(Start.size() + NumDigits + 3);
    return Header;
  }
  return std::nullopt;
}

void appendPrintedDiagnostics(std::string_view Text, Diagnostics &Diags) {
  std::optional<Diagnostic> Current;
  auto Flush = [&] {
    if (!Current)
      return;
    if (Current->Level == Severity::Error)
      Diags.error(Current->Number, Current->Where, Current->Message, Current->Hint);
    else
      Diags.warning(Current->Number, Current->Where, Current->Message, Current->Hint);
    Current.reset();
  };
  constexpr std::string_view HintStart = "  hint: ";
  while (!Text.empty()) {
    size_t End = std::min(Text.find('\n'), Text.size());
    std::string_view Line = Text.substr(0, End);
    Text.remove_prefix(std::min(End + 1, Text.size()));
    if (std::optional<Diagnostic> Header = takeHeader(Line)) {
      Flush();
      // The place was printed in front of the message and stays there.
      Header->Message = Line;
      Current = std::move(Header);
    } else if (!Current) {
      Current = Diagnostic{Severity::Warning, 613, "compiler", std::string(Line), {}};
    } else if (Current->Hint.empty() && Line.starts_with(HintStart)) {
      Current->Hint = Line.substr(HintStart.size());
    } else {
      (Current->Hint.empty() ? Current->Message : Current->Hint).append("\n").append(Line);
    }
  }
  Flush();
}

} // namespace lathe
