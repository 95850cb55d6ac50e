//===- Library.cpp - `lathe compile -o out.so` ------------------------------===//
//
// The runtime behind its C interface, in a library of its own that carries the
// model, and the header beside it that says what it is.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/OutputKind.h"
#include "tools/lathe/outputs/LibraryHeader.h"
#include "tools/lathe/outputs/ModuleImage.h"

using namespace lathe;
using namespace lathe::cli;

static constexpr std::string_view Suffix = ".so";

static std::string withoutSuffix(std::string_view Path) {
  if (Path.ends_with(Suffix))
    Path.remove_suffix(Suffix.size());
  return std::string(Path);
}

static bool writeLibrary(const OutputRequest &Request, OutputFile &File, Diagnostics &Diags) {
  std::string HeaderPath = withoutSuffix(Request.Path) + ".h";
  if (!checkNotInput(HeaderPath, Request.Package.Compile.Input, Diags) ||
      !checkHeaderPlace(HeaderPath, Diags))
    return false;
  std::unique_ptr<AtomicFile> Header = AtomicFile::create(HeaderPath, Diags);
  std::unique_ptr<MappedFile> Module =
      Header ? openCarrier("liblathe-module.so", "LATHE_MODULE", Diags) : nullptr;
  if (!Module)
    return false;
  LibraryNames Names;
  Names.File = Request.Path.substr(Request.Path.rfind('/') + 1);
  Names.Entry = Request.Entry.empty() ? "lathe_get_api" : Request.Entry;
  std::vector<uint8_t> Image(Module->bytes().begin(), Module->bytes().end());
  if (!nameModule(Image, Names.File, Names.Entry, Module->path(), Diags))
    return false;
  std::optional<Package> Made = Package::create(Request.Package, Diags);
  return Made && Header->write(libraryHeader(Names, *Made), Diags) &&
         writeCarried(Image, *Made, File, Diags) && !interrupted() && Header->commit(Diags);
}

static OutputKindRegistration Registered({"library", Suffix, true, true, 0777, writeLibrary});
