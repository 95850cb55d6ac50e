//===- ApiError.cpp - Errors and callbacks of lathe.h -----------*- C++ -*-===//

#include "runtime/api/Api.h"

#include <deque>
#include <string_view>
#include <vector>

using namespace lathe;
using namespace lathe::api;

struct lathe_error {
  std::deque<std::string> Texts; ///< Never moves what it holds.
  std::vector<lathe_diagnostic> List;
  std::string Printed;
  ExitCode Exit = ExitCode::Resources;
  bool Lasts = false; ///< Nobody's to destroy.
};

static lathe_diagnostic describe(const Diagnostic &From, std::deque<std::string> &Texts) {
  auto Keep = [&](std::string Text) { return Texts.emplace_back(std::move(Text)).c_str(); };
  lathe_diagnostic Result = {};
  Result.struct_size = sizeof(Result);
  Result.severity = From.Level == Severity::Error ? LATHE_SEVERITY_ERROR : LATHE_SEVERITY_WARNING;
  Result.number = static_cast<int32_t>(From.Number);
  Result.place = Keep(From.Where);
  Result.message = Keep(From.Message);
  Result.hint = Keep(From.Hint);
  Result.text = Keep(From.str());
  return Result;
}

static std::unique_ptr<lathe_error> describe(const Diagnostics &Diags) {
  auto Result = std::make_unique<lathe_error>();
  for (const Diagnostic &Each : Diags.all())
    Result->List.push_back(describe(Each, Result->Texts));
  Result->Printed = Diags.str();
  Result->Exit = Diags.exitCode();
  return Result;
}

lathe_error *api::makeError(const Diagnostics &Diags) { return describe(Diags).release(); }

lathe_error *api::outOfMemory() {
  // Made with the library, as it could not be made any more.
  static lathe_error Lasting = [] {
    Diagnostics Diags;
    Diags.error(810, "liblathe", "the system gave no more memory, expected some",
                "free memory, or raise the limit");
    lathe_error Made = std::move(*describe(Diags));
    Made.Lasts = true;
    return Made;
  }();
  return &Lasting;
}

[[maybe_unused]] static const lathe_error *const MadeEarly = outOfMemory();

void Callbacks::log(const Diagnostics &Warnings) const {
  if (!Raw.log)
    return;
  for (const Diagnostic &Each : Warnings.all()) {
    std::deque<std::string> Texts;
    lathe_diagnostic Told = describe(Each, Texts);
    Raw.log(Raw.user, &Told);
  }
}

bool Callbacks::goOn(int32_t What, int64_t Done, int64_t Total) const {
  if (Raw.progress)
    Raw.progress(Raw.user, What, Done, Total);
  return !Raw.cancel || Raw.cancel(Raw.user) == 0;
}

std::optional<Callbacks> Callbacks::read(const lathe_callbacks *Given, Diagnostics &Diags) {
  std::optional<lathe_callbacks> Copy =
      readStruct(Given, "lathe_callbacks", sizeof(lathe_callbacks), Diags);
  if (!Copy)
    return std::nullopt;
  Callbacks Result;
  Result.Raw = *Copy;
  return Result;
}

SessionTurn::SessionTurn(const SharedSession &Of, Diagnostics &Diags)
    : Of(Of), Taken(!Of.Busy.exchange(true, std::memory_order_acquire)) {
  if (!Taken)
    Diags.error(815, "session", "found another call of it that has not returned, expected none",
                "give each thread a session, and call none from its own callbacks");
}

SessionTurn::~SessionTurn() {
  if (Taken)
    Of.Busy.store(false, std::memory_order_release);
}

bool api::checkGiven(const void *Pointer, const char *Name, Diagnostics &Diags) {
  if (!Pointer)
    Diags.error(822, Name, "found NULL, expected an address");
  return Pointer != nullptr;
}

bool api::checkStruct(const void *Given, const char *Name, size_t Least, size_t Known,
                      Diagnostics &Diags) {
  size_t Size;
  std::memcpy(&Size, Given, sizeof(Size));
  if (Size < Least || Size > 4096) {
    Diags.error(820, Name,
                "found struct_size " + std::to_string(Size) + ", expected " +
                    std::to_string(Least) + " to 4096",
                std::string("set struct_size to sizeof(") + Name + ")");
    return false;
  }
  const char *Bytes = static_cast<const char *>(Given);
  if (std::all_of(Bytes + std::min(Size, Known), Bytes + Size, [](char Byte) { return !Byte; }))
    return true;
  Diags.error(821, Name,
              "found an option behind byte " + std::to_string(Known) +
                  ", expected none, as this library knows no more",
              "install a liblathe.so as new as the header");
  return false;
}

bool api::checkFlags(const char *Name, uint32_t Found, uint32_t Known, Diagnostics &Diags) {
  if ((Found & ~Known) == 0)
    return true;
  Diags.error(821, std::string("flags of ") + Name,
              "found " + std::to_string(Found) + ", expected bits of " + std::to_string(Known));
  return false;
}

void api::addErrors(lathe_api &Table) {
  Table.error_exit_code = [](const lathe_error *Error) {
    return static_cast<int32_t>(Error ? Error->Exit : ExitCode::Ok);
  };
  Table.error_count = [](const lathe_error *Error) { return Error ? Error->List.size() : 0; };
  Table.error_diagnostic = [](const lathe_error *Error, size_t Index) -> const lathe_diagnostic * {
    return Error && Index < Error->List.size() ? &Error->List[Index] : nullptr;
  };
  Table.error_text = [](const lathe_error *Error) { return Error ? Error->Printed.c_str() : ""; };
  Table.error_destroy = [](lathe_error *Error) {
    if (Error && !Error->Lasts)
      delete Error;
  };
}
