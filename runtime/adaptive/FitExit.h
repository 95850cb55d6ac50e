//===- FitExit.h - Lenses and predicates of exits ---------------*- C++ -*-===//
//
// What leaves a stack early is seen through a lens: an affine map near to what a later
// layer would have made of it (Belrose et al., 2023), in closed form.  A predicate says
// how likely the token that comes out then is that of the whole model.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_FITEXIT_H
#define LATHE_RUNTIME_ADAPTIVE_FITEXIT_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lathe {

/// Rows of one width, one after the other.
struct RowSet {
  size_t Width = 0;
  std::vector<float> Values;

  size_t rows() const { return Width ? Values.size() / Width : 0; }
  std::span<const float> row(size_t I) const { return std::span(Values).subspan(I * Width, Width); }
};

/// x becomes x + M x + o, with M = Matrix, or Matrix In where there is a rank.  Elements of
/// the matrices are numbers of bfloat16.
struct ExitLens {
  size_t Rank = 0;           ///< 0: that of the width.
  std::vector<float> In;     ///< [Rank][width]; empty without a rank.
  std::vector<float> Matrix; ///< [width][Rank or width]
  std::vector<float> Offset; ///< [width]

  RowSet apply(const RowSet &Rows) const;
};

/// The share of the mean variance that is added to the diagonal of the normal equations,
/// for features scaled to a variance of 1.
inline constexpr double LensPenalty = 0.01, PredicatePenalty = 0.01;

/// The ridge regression of `Final` - `Hidden` on `Hidden`, rows of one another.  A row
/// weighs 1 / mean(Final^2), as the norm ahead of the output head divides by that; features
/// are centred and scaled to a variance of 1, offsets bear no penalty.  With a rank it is
/// the nearest of that rank in what it says of these rows (Izenman, 1975).
ExitLens fitLens(const RowSet &Hidden, const RowSet &Final, size_t Rank);

/// 1 / (1 + exp(-(Weights x + Bias))).
struct ExitPredicate {
  std::vector<float> Weights; ///< [width]
  float Bias = 0;

  float confidence(std::span<const float> Row) const;
};

/// The logistic regression of `Agrees` on the rows, by Newton's method, with a penalty on
/// weights of features scaled to a variance of 1.  Targets are (n+ + 1) / (n+ + 2) and
/// 1 / (n- + 2) (Platt, 1999), so that all of one kind do not mean certainty.
ExitPredicate fitPredicate(const RowSet &Rows, const std::vector<bool> &Agrees);

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_FITEXIT_H
