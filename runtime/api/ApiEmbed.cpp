//===- ApiEmbed.cpp - Encoders of lathe.h -----------------------*- C++ -*-===//

#include "runtime/api/Api.h"

#include "runtime/support/CheckedMath.h"

using namespace lathe;
using namespace lathe::api;

std::unique_ptr<Encoder> api::openEncoder(std::unique_ptr<ModelFolder> Folder,
                                          const ModelOptions &Options, Diagnostics &Diags) {
  EncoderOptions Wanted;
  Wanted.Compiled = Options.Compiled;
  Wanted.Target = Options.Target;
  Wanted.Precision = Options.Precision;
  Wanted.Threads = Options.Threads;
  Wanted.MaxRows = Options.MaxPrefillRows;
  Wanted.UseCache = Options.UseCache;
  Wanted.NonFinite = Options.NonFinite;
  Wanted.OnStage = Options.OnStage;
  return Encoder::load(std::move(Folder), Wanted, Diags);
}

bool api::checkChoice(const char *Name, int32_t Found, int32_t Most, Diagnostics &Diags) {
  if (Found >= 0 && Found <= Most)
    return true;
  Diags.error(808, std::string("option '") + Name + "'",
              "found " + std::to_string(Found) + ", expected 0 to " + std::to_string(Most));
  return false;
}

Encoder *api::findEncoder(const lathe_model &Of, Diagnostics &Diags) {
  Encoder *Found = Of.Shared->Encodings.get();
  if (!Found)
    Diags.error(834, "model", "is no encoder, expected one",
                "a model that generates text has sessions");
  return Found;
}

bool api::checkTexts(const lathe_text *Texts, size_t Count, Diagnostics &Diags) {
  if (!checkArray(Texts, Count, "texts", Diags))
    return false;
  for (const lathe_text &Each : std::span(Texts, Count))
    if (!checkArray(Each.bytes, Each.size, "text", Diags))
      return false;
  return true;
}

std::vector<std::string_view> api::viewTexts(const lathe_text *Texts, size_t Count) {
  std::vector<std::string_view> Views;
  for (const lathe_text &Each : std::span(Texts, Count))
    Views.emplace_back(Each.size ? Each.bytes : "", Each.size);
  return Views;
}

static bool checkRoom(size_t Count, int64_t Width, size_t Capacity, Diagnostics &Diags) {
  std::optional<uint64_t> Wanted = checkedMul<uint64_t>(Count, static_cast<uint64_t>(Width));
  if (Wanted && *Wanted <= Capacity)
    return true;
  Diags.error(804, "vectors",
              "found room for " + std::to_string(Capacity) + " floats, expected " +
                  std::to_string(Count) + " times " + std::to_string(Width));
  return false;
}

static lathe_error *embed(const lathe_model *Of, const lathe_text *Texts, size_t Count,
                          const lathe_embed_options *Given, float *Vectors, size_t Capacity) {
  auto Body = [&](Diagnostics &Diags) {
    if (!checkGiven(Of, "model", Diags) || !checkTexts(Texts, Count, Diags) ||
        !checkArray(Vectors, Count, "vectors", Diags))
      return false;
    auto Raw = readStruct(Given, "lathe_embed_options", sizeof(*Given), Diags);
    if (!Raw || !checkChoice("pool", Raw->pool, LATHE_POOL_FIRST, Diags) ||
        !checkChoice("normalize", Raw->normalize, LATHE_NORMALIZE_NO, Diags))
      return false;
    Encoder *Model = findEncoder(*Of, Diags);
    if (!Model || !checkRoom(Count, Model->width(), Capacity, Diags))
      return false;
    Pooling Pool = Raw->pool == LATHE_POOL_MODEL   ? Model->facts().Pool
                   : Raw->pool == LATHE_POOL_FIRST ? Pooling::First
                                                   : Pooling::Mean;
    bool Unit = Raw->normalize == LATHE_NORMALIZE_MODEL ? Model->facts().Normalize
                                                        : Raw->normalize == LATHE_NORMALIZE_YES;
    std::vector<std::string_view> Views = viewTexts(Texts, Count);
    std::vector<std::vector<int32_t>> Tokens = Model->tokenize(Views, Diags);
    std::lock_guard<std::mutex> Turn(Of->Shared->Encoding);
    return Model->encode(Tokens, Pool, Unit, Vectors, Diags);
  };
  return guarded(Body, Of ? &Of->Shared->Told : nullptr);
}

void api::addEmbedding(lathe_api &Table) { Table.model_embed = embed; }
