//===- lathe.hpp - lathe.h for C++20 ----------------------------*- C++ -*-===//
//
// A header over the C interface, with nothing behind it but liblathe.so: handles
// that free themselves and move, and results that hold a value or an error.
// Nothing here throws but for want of memory.  What the functions do, their
// units, errors and thread rules stand in lathe.h.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_LATHE_HPP
#define LATHE_LATHE_HPP

#include "lathe/lathe.h"

#include <cassert>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace lathe {
inline namespace v1 {

/// The table of functions; null when liblathe.so is older than this header.
inline const lathe_api *api() {
  static const lathe_api *const Table = lathe_get_api(LATHE_API_VERSION);
  return Table;
}

/// Calls a function of the table that frees a handle.
template <auto Function> struct Destroy {
  template <typename Handle> void operator()(Handle *Old) const { (api()->*Function)(Old); }
};

/// What went wrong; never empty.
class Error {
public:
  explicit Error(lathe_error *Owned) : Owned(Owned) {}

  /// The number of the first error: 304 for E0304.
  int number() const {
    for (size_t I = 0; I < size(); ++I)
      if ((*this)[I].severity == LATHE_SEVERITY_ERROR)
        return (*this)[I].number;
    return 0;
  }
  int exitCode() const { return api()->error_exit_code(Owned.get()); }
  size_t size() const { return api()->error_count(Owned.get()); }
  /// Diagnostic `Index` < size(); lives as long as the error.
  const lathe_diagnostic &operator[](size_t Index) const {
    return *api()->error_diagnostic(Owned.get(), Index);
  }
  /// All of it as the `lathe` command prints it.
  std::string text() const { return api()->error_text(Owned.get()); }

private:
  std::unique_ptr<lathe_error, Destroy<&lathe_api::error_destroy>> Owned;
};

/// Nothing, or an error.
class [[nodiscard]] Status {
public:
  explicit Status(lathe_error *Owned) {
    if (Owned)
      Fault.emplace(Owned);
  }
  explicit operator bool() const { return !Fault; }
  /// Only of one that is false.
  const Error &error() const { return *Fault; }
  Error takeError() { return std::move(*Fault); }

private:
  std::optional<Error> Fault;
};

/// A value or an error.
template <typename Value> class [[nodiscard]] Result {
public:
  Result(Value Good) : Held(std::in_place_index<0>, std::move(Good)) {}
  Result(Error Bad) : Held(std::in_place_index<1>, std::move(Bad)) {}
  explicit operator bool() const { return Held.index() == 0; }
  /// Only of one that is true.
  Value &operator*() { return *std::get_if<0>(&Held); }
  Value *operator->() { return std::get_if<0>(&Held); }
  /// Only of one that is false.
  const Error &error() const { return *std::get_if<1>(&Held); }

private:
  std::variant<Value, Error> Held;
};

/// An option struct with its size set and all else at its default.
template <typename Struct> Struct options() {
  Struct Empty = {};
  Empty.struct_size = sizeof(Struct);
  return Empty;
}

/// What becomes of an output and an error: a Result.
template <typename Value> Result<Value> resultOf(lathe_error *Fault, Value &&Good) {
  if (Fault)
    return Error(Fault);
  return std::forward<Value>(Good);
}

using ModelOptions = lathe_model_options;
using SessionOptions = lathe_session_options;
using SamplerOptions = lathe_sampler_options;
using GenerateOptions = lathe_generate_options;
using EmbedOptions = lathe_embed_options;

class Sampler {
public:
  static Result<Sampler> create(const SamplerOptions &Wanted = options<SamplerOptions>()) {
    lathe_sampler *Made = nullptr;
    lathe_error *Fault = api()->sampler_create(&Wanted, &Made);
    return resultOf(Fault, Sampler(Made));
  }
  Result<int32_t> sample(std::span<const float> Logits) {
    int32_t Token = -1;
    lathe_error *Fault = api()->sampler_sample(Handle.get(), Logits.data(), Logits.size(), &Token);
    return resultOf(Fault, std::move(Token));
  }

private:
  explicit Sampler(lathe_sampler *Made) : Handle(Made) {}
  std::unique_ptr<lathe_sampler, Destroy<&lathe_api::sampler_destroy>> Handle;
};

/// A token with its text; a token of -1 is text that was held back to the end.
struct Piece {
  int32_t Token;
  std::string Text;
};

class Generation {
public:
  /// The next piece; nullopt at the end.
  Result<std::optional<Piece>> next() {
    lathe_piece Raw = options<lathe_piece>();
    std::optional<Piece> Given;
    lathe_error *Fault = api()->generation_next(Handle.get(), &Raw);
    if (!Fault && !Raw.ended)
      Given = Piece{Raw.token, std::string(Raw.text, Raw.text_size)};
    return resultOf(Fault, std::move(Given));
  }
  lathe_generate_result result() const {
    lathe_generate_result Filled = options<lathe_generate_result>();
    [[maybe_unused]] lathe_error *Fault = api()->generation_result(Handle.get(), &Filled);
    assert(!Fault);
    return Filled;
  }

private:
  friend class Session;
  explicit Generation(lathe_generation *Made) : Handle(Made) {}
  std::unique_ptr<lathe_generation, Destroy<&lathe_api::generation_destroy>> Handle;
};

class Session {
public:
  lathe_session_info info() const {
    lathe_session_info Filled = options<lathe_session_info>();
    [[maybe_unused]] lathe_error *Fault = api()->session_info(Handle.get(), &Filled);
    assert(!Fault);
    return Filled;
  }
  /// `Logits` receives [rows that want them][vocabulary].
  Status step(std::span<const lathe_row> Rows, std::span<float> Logits = {}) {
    return Status(
        api()->session_step(Handle.get(), Rows.data(), Rows.size(), Logits.data(), Logits.size()));
  }
  /// `Which` is one of LATHE_LOGITS_...; `Logits` receives [none, 1 or tokens][vocabulary].
  Status append(int32_t Sequence, std::span<const int32_t> Tokens,
                int32_t Which = LATHE_LOGITS_NONE, std::span<float> Logits = {}) {
    return Status(api()->session_append(Handle.get(), Sequence, Tokens.data(), Tokens.size(), Which,
                                        Logits.data(), Logits.size()));
  }
  Result<int64_t> length(int32_t Sequence) const {
    int64_t Length = 0;
    lathe_error *Fault = api()->session_length(Handle.get(), Sequence, &Length);
    return resultOf(Fault, std::move(Length));
  }
  Status truncate(int32_t Sequence, int64_t Length) {
    return Status(api()->session_truncate(Handle.get(), Sequence, Length));
  }
  Result<Generation> generate(std::span<const int32_t> Prompt,
                              const GenerateOptions &Wanted = options<GenerateOptions>()) {
    lathe_generation *Made = nullptr;
    lathe_error *Fault =
        api()->generation_start(Handle.get(), Prompt.data(), Prompt.size(), &Wanted, &Made);
    return resultOf(Fault, Generation(Made));
  }
  /// Calls `OnToken(int32_t, std::string_view)` for every token until it gives false.
  template <typename Callable>
  Result<lathe_generate_result> generate(std::span<const int32_t> Prompt,
                                         const GenerateOptions &Wanted, Callable &&OnToken) {
    lathe_generate_result Filled = options<lathe_generate_result>();
    using Type = std::remove_reference_t<Callable>;
    auto Pass = [](void *User, int32_t Token, const char *Text, size_t Size) noexcept -> int32_t {
      return !(*static_cast<Type *>(User))(Token, std::string_view(Text, Size));
    };
    void *User = const_cast<void *>(static_cast<const void *>(std::addressof(OnToken)));
    lathe_error *Fault =
        api()->generate(Handle.get(), Prompt.data(), Prompt.size(), &Wanted, Pass, User, &Filled);
    return resultOf(Fault, std::move(Filled));
  }

private:
  friend class Model;
  explicit Session(lathe_session *Made) : Handle(Made) {}
  std::unique_ptr<lathe_session, Destroy<&lathe_api::session_destroy>> Handle;
};

class Model {
public:
  static Result<Model> open(const std::string &Path,
                            const ModelOptions &Wanted = options<ModelOptions>()) {
    lathe_model *Made = nullptr;
    lathe_error *Fault = api()->model_open(Path.c_str(), &Wanted, &Made);
    return resultOf(Fault, Model(Made));
  }
  /// Its texts live as long as the model.
  lathe_model_info info() const {
    lathe_model_info Filled = options<lathe_model_info>();
    [[maybe_unused]] lathe_error *Fault = api()->model_info(Handle.get(), &Filled);
    assert(!Fault);
    return Filled;
  }
  /// `Flags`: LATHE_TOKENIZE_...
  Result<std::vector<int32_t>> tokenize(std::string_view Text,
                                        uint32_t Flags = LATHE_TOKENIZE_ADD_SPECIAL) const {
    // No text has more tokens than bytes, but for a start and an end token and a space.
    std::vector<int32_t> Tokens(Text.size() + 3);
    size_t Count = 0;
    lathe_error *Fault = api()->model_tokenize(Handle.get(), Text.data(), Text.size(), Flags,
                                               Tokens.data(), Tokens.size(), &Count);
    assert(Count <= Tokens.size());
    Tokens.resize(Count);
    return resultOf(Fault, std::move(Tokens));
  }
  /// `Flags`: LATHE_DETOKENIZE_...
  Result<std::string> detokenize(std::span<const int32_t> Tokens, uint32_t Flags = 0) const {
    std::string Text(4 * Tokens.size() + 16, '\0');
    size_t Size = 0;
    lathe_error *Fault = nullptr;
    for (bool Again = true; Again && !Fault; Text.resize(Size)) {
      Fault = api()->model_detokenize(Handle.get(), Tokens.data(), Tokens.size(), Flags,
                                      Text.data(), Text.size(), &Size);
      Again = Size > Text.size();
    }
    return resultOf(Fault, std::move(Text));
  }
  /// The vectors of texts, one behind the other, of a model that is an encoder.
  Result<std::vector<float>> embed(std::span<const std::string_view> Texts,
                                   const EmbedOptions &Wanted = options<EmbedOptions>()) const {
    std::vector<lathe_text> Raw;
    for (std::string_view Each : Texts)
      Raw.push_back({Each.data(), Each.size()});
    std::vector<float> Vectors(Texts.size() * static_cast<size_t>(info().embedding));
    lathe_error *Fault = api()->model_embed(Handle.get(), Raw.data(), Raw.size(), &Wanted,
                                            Vectors.data(), Vectors.size());
    return resultOf(Fault, std::move(Vectors));
  }
  Result<Session> createSession(const SessionOptions &Wanted = options<SessionOptions>()) {
    lathe_session *Made = nullptr;
    lathe_error *Fault = api()->session_create(Handle.get(), &Wanted, &Made);
    return resultOf(Fault, Session(Made));
  }

private:
  explicit Model(lathe_model *Made) : Handle(Made) {}
  std::unique_ptr<lathe_model, Destroy<&lathe_api::model_destroy>> Handle;
};

} // namespace v1
} // namespace lathe

#endif // LATHE_LATHE_HPP
