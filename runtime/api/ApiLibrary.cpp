//===- ApiLibrary.cpp - The one function that liblathe.so exports ---------===//

#include "runtime/api/Api.h"

using namespace lathe;

const std::string &api::ownModel() {
  static const std::string None;
  return None;
}

extern "C" const lathe_api *lathe_get_api(uint32_t Version) { return api::table(Version); }
