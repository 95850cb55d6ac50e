//===- FaultList.h - Many faults of one input, told briefly -----*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_FAULTLIST_H
#define LATHE_RUNTIME_SUPPORT_FAULTLIST_H

#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <string>
#include <utility>

namespace lathe {

/// Passes the first `Limit` errors of an input on to `Diags` and counts the
/// rest; `finish` (or the destructor) tells the count as error 324.
class FaultList {
public:
  static constexpr uint64_t Limit = 20;

  /// `UsualHint` is given to errors that come without a hint of their own.
  FaultList(Diagnostics &Diags, std::string Input, std::string UsualHint = {})
      : Diags(Diags), Input(std::move(Input)), UsualHint(std::move(UsualHint)) {}
  ~FaultList() { finish(); }
  FaultList(const FaultList &) = delete;
  FaultList &operator=(const FaultList &) = delete;

  /// `Where` is a place inside the input, such as "tensor 'x'"; may be empty.
  void error(unsigned Number, const std::string &Where, std::string Message,
             std::string Hint = {}) {
    if (Count++ < Limit)
      Diags.error(Number, Where.empty() ? Input : Input + ": " + Where, std::move(Message),
                  Hint.empty() ? UsualHint : std::move(Hint));
  }

  bool any() const { return Count != 0; }

  /// Tells how many were left out since the last call.
  void finish() {
    if (Count > Limit)
      Diags.error(324, Input, std::to_string(Count - Limit) + " more faults are not listed");
    Count = Count != 0 ? Limit : 0;
  }

private:
  Diagnostics &Diags;
  std::string Input;
  std::string UsualHint;
  uint64_t Count = 0;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_FAULTLIST_H
