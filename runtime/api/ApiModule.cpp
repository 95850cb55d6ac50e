//===- ApiModule.cpp - The one function that a model's library exports ----===//
//
// `lathe compile MODEL -o out.so` copies the library that this belongs to, gives
// the function its name and appends an artefact.
//
//===----------------------------------------------------------------------===//

#include "runtime/api/Api.h"

#include <cstdlib>

#include <dlfcn.h>

using namespace lathe;

/// The file that this code came from.  Its name may be relative, so it is asked for
/// before anyone can go to another folder.
static std::string ownFile() {
  Dl_info Info;
  if (!dladdr(reinterpret_cast<void *>(&ownFile), &Info) || !Info.dli_fname)
    return {};
  std::unique_ptr<char, decltype(&free)> Real(realpath(Info.dli_fname, nullptr), &free);
  return Real ? Real.get() : Info.dli_fname;
}

static const std::string OwnFile = ownFile();

const std::string &api::ownModel() { return OwnFile; }

/// `lathe compile` writes another name over this one.
extern "C" __attribute__((visibility("default"))) const lathe_api *
LATHE_MODULE_ENTRY(uint32_t Version) {
  return api::table(Version);
}
