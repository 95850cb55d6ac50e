//===- ApiTable.cpp - The table of lathe.h ----------------------*- C++ -*-===//

#include "runtime/api/Api.h"

using namespace lathe;
using namespace lathe::api;

const lathe_api *api::table(uint32_t Version) {
  static const lathe_api Table = [] {
    lathe_api Filled = {};
    Filled.struct_size = sizeof(lathe_api);
    Filled.major = LATHE_API_MAJOR;
    Filled.minor = LATHE_API_MINOR;
    Filled.version = [] { return LATHE_VERSION; };
    addErrors(Filled);
    addModels(Filled);
    addCompiling(Filled);
    addSessions(Filled);
    addGenerating(Filled);
    addEmbedding(Filled);
    addClassifying(Filled);
    return Filled;
  }();
  bool Fits = Version >> 16 == LATHE_API_MAJOR && (Version & 0xffff) <= LATHE_API_MINOR;
  return Fits ? &Table : nullptr;
}
