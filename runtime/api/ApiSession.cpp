//===- ApiSession.cpp - Sessions and samplers of lathe.h --------*- C++ -*-===//

#include "runtime/api/Api.h"

#include "runtime/support/CheckedMath.h"

#include <cstddef>

using namespace lathe;
using namespace lathe::api;

struct lathe_sampler {
  Sampler Choose;
};

/// Where the caller wants the memory to come from; false when that cannot be read.
static bool readAllocator(const lathe_allocator *Given, MemorySource &Source, Diagnostics &Diags) {
  std::optional<lathe_allocator> Raw =
      readStruct(Given, "lathe_allocator", sizeof(lathe_allocator), Diags);
  if (!Raw ||
      (Given && (!checkGiven(reinterpret_cast<void *>(Raw->allocate), "allocate", Diags) ||
                 !checkGiven(reinterpret_cast<void *>(Raw->deallocate), "deallocate", Diags))))
    return false;
  Source = {Raw->allocate, Raw->deallocate, Raw->user};
  return true;
}

// The size in version 1.0.
static constexpr size_t LeastOptions = offsetof(lathe_session_options, layers);

static lathe_error *createSession(lathe_model *Of, const lathe_session_options *Given,
                                  lathe_session **Out) {
  return guarded([&](Diagnostics &Diags) {
    std::optional<lathe_session_options> Raw =
        readStruct(Given, "lathe_session_options", LeastOptions, Diags);
    std::optional<Callbacks> Told = Callbacks::read(Raw ? Raw->callbacks : nullptr, Diags);
    if (!Raw || !Told || !checkGiven(Of, "model", Diags) || !checkGiven(Out, "session", Diags))
      return false;
    if (!Of->Shared->Source) {
      Diags.error(835, "model", "is an encoder, expected a model that generates text",
                  "model_embed gives the vectors of texts");
      return false;
    }
    SessionOptions Options;
    Options.Capacity = Raw->capacity;
    Options.Sequences = Raw->sequences ? Raw->sequences : 1;
    Options.PrefillChunk = Raw->prefill_chunk;
    Options.Layers = readLayers(Raw->layers, Raw->skip, Raw->width, *Of->Shared, Diags);
    if (!Options.Layers || !readAllocator(Raw->allocator, Options.Memory, Diags))
      return false;
    Options.OnChunk = [Told = *Told](int64_t Done, int64_t Rows) {
      return Told.goOn(LATHE_PROGRESS_STEP, Done, Rows);
    };
    auto Shared = std::make_shared<SharedSession>();
    Shared->Of = Of->Shared;
    Shared->Told = *Told;
    Shared->Run = Of->Shared->Source->createSession(Options, Diags);
    if (!Shared->Run)
      return false;
    *Out = new lathe_session{std::move(Shared)};
    return true;
  });
}

std::shared_ptr<const LayerMask> api::readLayers(const char *Layers, const char *Skip,
                                                 const char *Width, const SharedModel &Of,
                                                 Diagnostics &Diags) {
  return LayerMask::parse(Layers ? Layers : "", Skip ? Skip : "", Width ? Width : "", Of.manifest(),
                          Diags);
}

static lathe_error *sessionInfo(const lathe_session *Of, lathe_session_info *Out) {
  return guarded([&](Diagnostics &Diags) {
    if (!checkGiven(Of, "session", Diags))
      return false;
    const Session &Run = *Of->Shared->Run;
    MemoryReport Memory = Run.memory();
    lathe_session_info Info = {};
    Info.capacity = Run.capacity();
    Info.sequences = Run.sequences();
    Info.vocabulary = Run.vocabulary();
    Info.kv_bytes = static_cast<int64_t>(Memory.KV);
    Info.work_bytes = static_cast<int64_t>(Memory.Arena + Memory.Scratch);
    return fillStruct(Out, Info, "lathe_session_info", sizeof(Info), Diags);
  });
}

/// Calls `Body` with the session while no other call has it.
template <typename Callable> static lathe_error *inTurn(const lathe_session *Of, Callable Body) {
  return inSession(Of ? Of->Shared.get() : nullptr, "session",
                   [&](Diagnostics &Diags) { return Body(*Of->Shared->Run, Diags); });
}

/// False, with E0804, when `Capacity` floats are too few for the logits of `Rows`.
static bool checkRoom(const Session &Run, size_t Rows, const float *Logits, size_t Capacity,
                      Diagnostics &Diags) {
  if (!checkArray(Logits, Rows, "logits", Diags))
    return false;
  std::optional<size_t> Wanted = checkedMul<size_t>(Rows, static_cast<size_t>(Run.vocabulary()));
  if (Wanted && *Wanted <= Capacity)
    return true;
  Diags.error(804, "logits",
              "found room for " + std::to_string(Capacity) + " floats, expected " +
                  std::to_string(Rows) + " times " + std::to_string(Run.vocabulary()));
  return false;
}

static lathe_error *step(lathe_session *Of, const lathe_row *Rows, size_t Count, float *Logits,
                         size_t Capacity) {
  return inTurn(Of, [&](Session &Run, Diagnostics &Diags) {
    if (!checkArray(Rows, Count, "rows", Diags))
      return false;
    std::vector<Row> Given;
    Given.reserve(Count);
    size_t Wanted = 0;
    for (const lathe_row &Each : std::span(Rows, Count)) {
      Given.push_back({Each.token, Each.position, Each.sequence, Each.wants_logits != 0});
      Wanted += Given.back().WantsLogits;
    }
    return checkRoom(Run, Wanted, Logits, Capacity, Diags) &&
           Run.step(Given, Wanted ? Logits : nullptr, Diags);
  });
}

static lathe_error *append(lathe_session *Of, int32_t Sequence, const int32_t *Tokens, size_t Count,
                           int32_t Which, float *Logits, size_t Capacity) {
  return inTurn(Of, [&](Session &Run, Diagnostics &Diags) {
    if (!checkArray(Tokens, Count, "tokens", Diags))
      return false;
    if (Which < LATHE_LOGITS_NONE || Which > LATHE_LOGITS_ALL) {
      Diags.error(821, "session_append",
                  "found " + std::to_string(Which) + " for 'which', expected 0 to 2");
      return false;
    }
    LogitsOf Wanted = static_cast<LogitsOf>(Which);
    size_t Rows = Wanted == LogitsOf::All ? Count : Wanted == LogitsOf::Last && Count ? 1 : 0;
    return checkRoom(Run, Rows, Logits, Capacity, Diags) &&
           Run.append(Sequence, {Tokens, Count}, Wanted, Rows ? Logits : nullptr, Diags);
  });
}

static lathe_error *sessionLength(const lathe_session *Of, int32_t Sequence, int64_t *Length) {
  return inTurn(Of, [&](Session &Run, Diagnostics &Diags) {
    if (!checkGiven(Length, "length", Diags) || !Run.checkSequence(Sequence, Diags))
      return false;
    *Length = Run.length(Sequence);
    return true;
  });
}

static lathe_error *truncateSession(lathe_session *Of, int32_t Sequence, int64_t Length) {
  return inTurn(Of, [&](Session &Run, Diagnostics &Diags) {
    if (!Run.checkSequence(Sequence, Diags))
      return false;
    Run.truncate(Sequence, Length);
    return true;
  });
}

std::optional<SamplerOptions> api::readSampling(const lathe_sampler_options *Given,
                                                Diagnostics &Diags) {
  std::optional<lathe_sampler_options> Raw =
      readStruct(Given, "lathe_sampler_options", sizeof(*Given), Diags);
  if (!Raw)
    return std::nullopt;
  SamplerOptions Options;
  Options.Temperature = Raw->temperature;
  Options.TopK = Raw->top_k;
  Options.TopP = Raw->top_p == 0 ? 1 : Raw->top_p;
  Options.MinP = Raw->min_p;
  Options.Seed = Raw->seed;
  return Options;
}

static lathe_error *createSampler(const lathe_sampler_options *Given, lathe_sampler **Out) {
  return guarded([&](Diagnostics &Diags) {
    std::optional<SamplerOptions> Options = readSampling(Given, Diags);
    if (!Options || !checkGiven(Out, "sampler", Diags))
      return false;
    std::optional<Sampler> Choose = Sampler::create(*Options, Diags);
    if (!Choose)
      return false;
    *Out = new lathe_sampler{std::move(*Choose)};
    return true;
  });
}

static lathe_error *sample(lathe_sampler *Of, const float *Logits, size_t Count, int32_t *Out) {
  return guarded([&](Diagnostics &Diags) {
    if (!checkGiven(Of, "sampler", Diags) || !checkGiven(Out, "token", Diags) ||
        !checkArray(Logits, Count, "logits", Diags))
      return false;
    std::optional<int32_t> Token = Of->Choose.sample({Logits, Count}, Diags);
    if (Token)
      *Out = *Token;
    return Token.has_value();
  });
}

void api::addSessions(lathe_api &Table) {
  Table.session_create = createSession;
  Table.session_destroy = [](lathe_session *Of) { delete Of; };
  Table.session_info = sessionInfo;
  Table.session_step = step;
  Table.session_append = append;
  Table.session_length = sessionLength;
  Table.session_truncate = truncateSession;
  Table.sampler_create = createSampler;
  Table.sampler_destroy = [](lathe_sampler *Of) { delete Of; };
  Table.sampler_sample = sample;
}
