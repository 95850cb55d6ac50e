//===- Api.h - What stands behind the handles of lathe.h --------*- C++ -*-===//
//
// The C interface adds nothing to the runtime but a check of what a C caller can
// get wrong, and counts of references, so that handles may go in any order.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_API_API_H
#define LATHE_RUNTIME_API_API_H

#include "lathe/lathe.h"
#include "runtime/adaptive/Calibration.h"
#include "runtime/classify/ClassifierFile.h"
#include "runtime/session/Encoder.h"
#include "runtime/session/Generator.h"
#include "runtime/session/Model.h"
#include "runtime/support/Diagnostics.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>

namespace lathe::api {

/// The caller's callbacks; those that he did not give do nothing.
class Callbacks {
public:
  /// Nullopt when the struct cannot be read.
  static std::optional<Callbacks> read(const lathe_callbacks *Given, Diagnostics &Diags);

  void log(const Diagnostics &Warnings) const;
  /// Tells the progress; false when the caller asks to stop.
  bool goOn(int32_t What, int64_t Done, int64_t Total) const;

private:
  lathe_callbacks Raw = {};
};

/// What sessions share of a model, or an encoder with the lock of its calls.
struct SharedModel {
  std::unique_ptr<Model> Source;               ///< Null for an encoder.
  std::shared_ptr<const Calibration> Measured; ///< Of `Source`; null: nothing.
  std::string MeasuredIn;                      ///< The file that tells, of either.
  std::unique_ptr<Encoder> Encodings;          ///< Null for any other model.
  std::optional<ClassifierFile> Heads;         ///< Of `Encodings`; none: it has none.
  std::mutex Encoding;
  Callbacks Told;

  const Manifest &manifest() const {
    return Encodings ? Encodings->manifest() : Source->manifest();
  }

  /// The tokenizer, made on first use; null with its errors when the file has no
  /// usable one.  Any thread.
  const Tokenizer *vocabulary(Diagnostics &Diags);

private:
  std::once_flag Once;
  std::unique_ptr<Tokenizer> Made;
  Diagnostics Faults;
};

/// What generations share of a session.
struct SharedSession {
  std::shared_ptr<SharedModel> Of; ///< Goes after the session.
  std::unique_ptr<Session> Run;
  Callbacks Told;
  mutable std::atomic<bool> Busy = false;
};

/// Takes a session for one call.
class SessionTurn {
public:
  SessionTurn(const SharedSession &Of, Diagnostics &Diags);
  ~SessionTurn();
  SessionTurn(const SessionTurn &) = delete;
  /// False, with E0815, when the session is in another call.
  explicit operator bool() const { return Taken; }

private:
  const SharedSession &Of;
  bool Taken;
};

/// False, with E0822, when `Pointer` is null.
bool checkGiven(const void *Pointer, const char *Name, Diagnostics &Diags);

/// The same for `Count` elements; without any it may be null.
inline bool checkArray(const void *Pointer, size_t Count, const char *Name, Diagnostics &Diags) {
  return Count == 0 || checkGiven(Pointer, Name, Diags);
}

/// False, with E0820 or E0821, when a struct of the caller's, of which we know
/// `Known` bytes and the first version had `Least`, cannot be read.
bool checkStruct(const void *Given, const char *Name, size_t Least, size_t Known,
                 Diagnostics &Diags);

/// False, with E0821, when `Found` has bits that are not in `Known`.
bool checkFlags(const char *Name, uint32_t Found, uint32_t Known, Diagnostics &Diags);

/// Nullopt when the struct cannot be read.
std::optional<SamplerOptions> readSampling(const lathe_sampler_options *Given, Diagnostics &Diags);

/// Null, with an error of LayerMask::parse, when there are no such layers.
std::shared_ptr<const LayerMask> readLayers(const char *Layers, const char *Skip,
                                            const SharedModel &Of, Diagnostics &Diags);

/// A copy of the caller's struct, with zeros for what an older one lacks; all
/// zeros for null.  `Least` is its size in version 1.0.
template <typename Struct>
std::optional<Struct> readStruct(const Struct *Given, const char *Name, size_t Least,
                                 Diagnostics &Diags) {
  Struct Copy = {};
  if (!Given)
    return Copy;
  if (!checkStruct(Given, Name, Least, sizeof(Struct), Diags))
    return std::nullopt;
  std::memcpy(&Copy, Given, std::min(Given->struct_size, sizeof(Struct)));
  return Copy;
}

/// False, with E0820 or E0822, when there is no struct of `Least` bytes to be filled.
template <typename Struct>
bool checkFillable(const Struct *Out, const char *Name, size_t Least, Diagnostics &Diags) {
  return checkGiven(Out, Name, Diags) &&
         (Out->struct_size >= Least || checkStruct(Out, Name, Least, sizeof(Struct), Diags));
}

/// Writes as much of `Filled` as the caller's struct holds; false on an error.
template <typename Struct>
bool fillStruct(Struct *Out, Struct Filled, const char *Name, size_t Least, Diagnostics &Diags) {
  if (!checkFillable(Out, Name, Least, Diags))
    return false;
  size_t Size = Out->struct_size;
  Filled.struct_size = Size;
  std::memcpy(Out, &Filled, std::min(Size, sizeof(Struct)));
  return true;
}

/// An error for the caller; null without any error.
lathe_error *makeError(const Diagnostics &Diags);

/// The one error that needs no memory.
lathe_error *outOfMemory();

/// Runs `Body`, which gives false after an error.  Warnings of a call that went
/// well go to `Told`, if there is one.
template <typename Callable>
lathe_error *guarded(Callable Body, const Callbacks *Told = nullptr) noexcept {
  try {
    Diagnostics Diags;
    if (!Body(Diags))
      return makeError(Diags);
    if (Told && !Diags.all().empty())
      Told->log(Diags);
    return nullptr;
  } catch (...) {
    // The standard library throws for want of memory and for nothing else.
    return outOfMemory();
  }
}

/// Runs `Body` while no other call has the session, which belongs to a handle that is
/// called `Name`; null for a handle that is.
template <typename Callable>
lathe_error *inSession(const SharedSession *Of, const char *Name, Callable Body) noexcept {
  return guarded(
      [&](Diagnostics &Diags) {
        if (!checkGiven(Of, Name, Diags))
          return false;
        SessionTurn Turn(*Of, Diags);
        return Turn && Body(Diags);
      },
      Of ? &Of->Told : nullptr);
}

/// What lathe_get_api returns.
const lathe_api *table(uint32_t Version);

/// Loads a folder as an encoder; null on error.
std::unique_ptr<Encoder> openEncoder(std::unique_ptr<ModelFolder> Folder,
                                     const ModelOptions &Options, Diagnostics &Diags);

/// The encoder of a model; null, with E0834, when it is none.
Encoder *findEncoder(const lathe_model &Of, Diagnostics &Diags);

/// False, with E0808, when an option is none of the numbers from 0 to `Most`.
bool checkChoice(const char *Name, int32_t Found, int32_t Most, Diagnostics &Diags);

/// False, with E0822, when an address is missing.
bool checkTexts(const lathe_text *Texts, size_t Count, Diagnostics &Diags);
std::vector<std::string_view> viewTexts(const lathe_text *Texts, size_t Count);

/// The file whose model a path of NULL stands for; empty where there is none.  Each
/// of the two libraries has its own.
const std::string &ownModel();

/// Fills the part of the table that a file implements.
void addErrors(lathe_api &Table);
void addModels(lathe_api &Table);
void addEmbedding(lathe_api &Table);
void addClassifying(lathe_api &Table);
void addCompiling(lathe_api &Table);
void addSessions(lathe_api &Table);
void addGenerating(lathe_api &Table);

} // namespace lathe::api

struct lathe_model {
  std::shared_ptr<lathe::api::SharedModel> Shared;
};

struct lathe_session {
  std::shared_ptr<lathe::api::SharedSession> Shared;
};

#endif // LATHE_RUNTIME_API_API_H
