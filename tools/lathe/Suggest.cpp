//===- Suggest.cpp - "Did you mean" ----------------------------------------===//
//
// Optimal string alignment distance (insert, delete, replace, swap of two
// neighbours), in three rolling rows.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Options.h"

#include <algorithm>
#include <numeric>

using namespace lathe::cli;

/// Words longer than this are not worth comparing; bounds the work on bad input.
static constexpr size_t MaxSuggestLength = 64;

static size_t editDistance(std::string_view A, std::string_view B) {
  std::vector<size_t> BeforeLast(B.size() + 1), Last(B.size() + 1), Row(B.size() + 1);
  std::iota(Last.begin(), Last.end(), size_t(0));
  for (size_t I = 1; I <= A.size(); ++I) {
    Row[0] = I;
    for (size_t J = 1; J <= B.size(); ++J) {
      size_t Replace = Last[J - 1] + (A[I - 1] != B[J - 1]);
      Row[J] = std::min({Replace, Last[J] + 1, Row[J - 1] + 1});
      if (I > 1 && J > 1 && A[I - 1] == B[J - 2] && A[I - 2] == B[J - 1])
        Row[J] = std::min(Row[J], BeforeLast[J - 2] + 1);
    }
    std::swap(BeforeLast, Last);
    std::swap(Last, Row);
  }
  return Last[B.size()];
}

std::optional<std::string> lathe::cli::nearestWord(std::string_view Word,
                                                   const std::vector<std::string> &Candidates) {
  if (Word.empty() || Word.size() > MaxSuggestLength)
    return std::nullopt;
  std::optional<std::string> Best;
  size_t BestDistance = std::max<size_t>(1, (Word.size() + 2) / 3) + 1;
  for (const std::string &Candidate : Candidates) {
    size_t Distance = editDistance(Word, Candidate);
    if (Distance >= BestDistance)
      continue;
    Best = Candidate;
    BestDistance = Distance;
  }
  return Best;
}
