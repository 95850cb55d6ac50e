//===- Draft.h - Guesses of the tokens that come next -----------*- C++ -*-===//
//
// A draft guesses how a sequence goes on.  Several guessed tokens are verified
// by the model in one step of several rows, and those that it would have chosen
// itself are kept, so that a draft changes how fast tokens come and never which.
//
// A kind of draft is added by one source file that defines a class and a static
// `Registry<DraftKind>::Registration`; nothing else names it.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_DRAFT_H
#define LATHE_RUNTIME_ADAPTIVE_DRAFT_H

#include "runtime/support/Diagnostics.h"
#include "runtime/tokenizer/Registry.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lathe {

class Session;

/// Acceptance is measured for so many classes of guesses.
inline constexpr int32_t DraftClasses = 4;

/// What a draft could guess now.
struct DraftOffer {
  int64_t Most = 0;  ///< Tokens; 0: it has no idea.
  int32_t Class = 0; ///< How sure it is: 0, least, to DraftClasses - 1.
};

class Draft {
public:
  virtual ~Draft() = default;

  /// Tells tokens that the sequence was continued with, in order.
  virtual void told(std::span<const int32_t> Tokens) = 0;

  /// What could be guessed to follow them, found cheaply.
  virtual DraftOffer offer() = 0;

  /// Guesses `Into.size()` tokens, at most those of the last offer, and says how many
  /// it has: fewer when it was interrupted.  A draft that runs steps of the session
  /// leaves the sequence as it was.
  virtual int64_t propose(std::span<int32_t> Into) = 0;
};

/// What a draft is made for.  The session outlives it.
struct DraftContext {
  Session &Run;
  int32_t Sequence;
  int64_t Positions; ///< The sequence will not grow longer than that.
};

struct DraftKind {
  std::string_view Name;    ///< Letters; not "off" or "auto".
  std::string_view Summary; ///< One line.
  /// A guess costs no time worth counting, so that its worth can be watched
  /// beside plain decoding.
  bool Free;
  std::unique_ptr<Draft> (*Create)(const DraftContext &Context);
};

/// How to speculate, as users write it: "off", "auto" (the kind that suits
/// most models), the name of a kind, or "NAME:K": always K tokens where there is
/// an offer, whether it pays or not.
struct SpeculationChoice {
  const DraftKind *Kind = nullptr; ///< Null: off.
  int64_t Always = 0;              ///< K; 0: the controller decides.

  /// Nullopt with E0816 for anything else.
  static std::optional<SpeculationChoice> parse(std::string_view Text, Diagnostics &Diags);
};

/// Most tokens of a draft: the verify entry takes one row more.
inline constexpr int64_t MaxDraftTokens = 7;

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_DRAFT_H
