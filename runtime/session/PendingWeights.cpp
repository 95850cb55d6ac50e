//===- PendingWeights.cpp - Packing while the compiler works ---------------===//

#include "runtime/session/PendingWeights.h"

#include "runtime/weights/WeightCache.h"

#include <chrono>

using namespace lathe;

std::unique_ptr<WeightStore> lathe::packWeights(const WeightFiles &Files, const Manifest &Program,
                                                WorkerPool &Workers, NonFiniteWeights NonFinite,
                                                bool UseCache, Diagnostics &Diags) {
  std::optional<WeightCache> Cache;
  if (UseCache)
    Cache = WeightCache::openDefault(Diags);
  return WeightStore::create(Files, Program, Workers, SourcePages::Release, NonFinite, Diags,
                             Cache ? &*Cache : nullptr);
}

PendingWeights::PendingWeights(WeightFiles Given, WorkerPool &Workers, NonFiniteWeights NonFinite,
                               bool UseCache)
    : Files(std::move(Given)), Workers(Workers), NonFinite(NonFinite), UseCache(UseCache),
      Task([this] {
        auto Start = std::chrono::steady_clock::now();
        Store = packWeights(Files, *Program, this->Workers, this->NonFinite, this->UseCache, Found);
        Milliseconds =
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - Start)
                .count();
      }) {}

void PendingWeights::start(std::string_view ManifestText) {
  Diagnostics Ignored;
  Program = Manifest::parse(ManifestText, "program", Ignored);
  if (Program)
    Task.start();
}

std::unique_ptr<WeightStore> PendingWeights::take(Diagnostics &Diags) {
  Task.wait();
  Diags.append(Found);
  return std::move(Store);
}
