//===- FitExit.cpp - Lenses and predicates of exits -------------*- C++ -*-===//

#include "runtime/adaptive/FitExit.h"

#include "runtime/support/Half.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

using namespace lathe;

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowsOfFloat = Eigen::Map<const RowMajor>;

/// Rows that are held in double precision at a time.
static constexpr Index BlockRows = 512;

static RowsOfFloat asMatrix(const RowSet &Rows) {
  return {Rows.Values.data(), static_cast<Index>(Rows.rows()), static_cast<Index>(Rows.Width)};
}

/// 1 / the deviation of each feature; 0 where it does not vary beside its size.
static VectorXd scalesOf(const VectorXd &Variance, const VectorXd &Mean) {
  VectorXd Scale(Variance.size());
  for (Index I = 0; I < Scale.size(); ++I) {
    double Noise = 1e-12 * (Variance[I] + Mean[I] * Mean[I]);
    Scale[I] = Variance[I] > Noise ? 1 / std::sqrt(Variance[I]) : 0;
  }
  return Scale;
}

//===----------------------------------------------------------------------===//
// Lenses
//===----------------------------------------------------------------------===//

namespace {

/// Weighted means, and covariances of features with features and with residuals.
struct Moments {
  VectorXd Mean, MeanResidual;
  MatrixXd Own, Cross;

  Moments(const RowSet &Hidden, const RowSet &Final);
};

} // namespace

Moments::Moments(const RowSet &Hidden, const RowSet &Final) {
  RowsOfFloat From = asMatrix(Hidden), To = asMatrix(Final);
  Index Width = From.cols();
  Own = Cross = MatrixXd::Zero(Width, Width);
  Mean = MeanResidual = VectorXd::Zero(Width);
  double Total = 0;
  for (Index First = 0; First < From.rows(); First += BlockRows) {
    Index Count = std::min(BlockRows, From.rows() - First);
    MatrixXd X = From.middleRows(First, Count).cast<double>();
    MatrixXd Y = To.middleRows(First, Count).cast<double>();
    VectorXd Weight = Y.rowwise().squaredNorm() / static_cast<double>(Width);
    Weight = Weight.unaryExpr([](double Each) { return Each > 0 ? 1 / Each : 1; });
    Y -= X;
    Total += Weight.sum();
    Mean += X.transpose() * Weight;
    MeanResidual += Y.transpose() * Weight;
    MatrixXd Weighted = Weight.asDiagonal() * X;
    Own.noalias() += X.transpose() * Weighted;
    Cross.noalias() += Weighted.transpose() * Y;
  }
  Mean /= Total;
  MeanResidual /= Total;
  Own = Own / Total - Mean * Mean.transpose();
  Cross = Cross / Total - Mean * MeanResidual.transpose();
}

static std::vector<float> rounded(const MatrixXd &Matrix) {
  std::vector<float> Result;
  Result.reserve(static_cast<size_t>(Matrix.size()));
  for (Index I = 0; I < Matrix.rows(); ++I)
    for (Index J = 0; J < Matrix.cols(); ++J)
      Result.push_back(bfloatToFloat(floatToBfloat(static_cast<float>(Matrix(I, J)))));
  return Result;
}

ExitLens lathe::fitLens(const RowSet &Hidden, const RowSet &Final, size_t Rank) {
  Moments Of(Hidden, Final);
  VectorXd Scale = scalesOf(Of.Own.diagonal(), Of.Mean);
  MatrixXd Normal = Scale.asDiagonal() * Of.Own * Scale.asDiagonal();
  Normal.diagonal().array() += LensPenalty;
  // The penalty makes it positive definite.
  MatrixXd Solved = Eigen::LLT<MatrixXd>(Normal).solve(Scale.asDiagonal() * Of.Cross);
  MatrixXd Map = (Scale.asDiagonal() * Solved).transpose();
  ExitLens Lens;
  if (Rank != 0 && Rank < Hidden.Width) {
    Lens.Rank = Rank;
    Eigen::SelfAdjointEigenSolver<MatrixXd> Said(Map * Of.Own * Map.transpose());
    MatrixXd Out = Said.eigenvectors().rightCols(static_cast<Index>(Rank));
    MatrixXd In = Out.transpose() * Map;
    Lens.In = rounded(In);
    Lens.Matrix = rounded(Out);
    Map = Out * In;
  } else {
    Lens.Matrix = rounded(Map);
  }
  VectorXd Offset = Of.MeanResidual - Map * Of.Mean;
  for (double Each : Offset)
    Lens.Offset.push_back(static_cast<float>(Each));
  return Lens;
}

RowSet ExitLens::apply(const RowSet &Rows) const {
  RowsOfFloat From = asMatrix(Rows);
  Index Width = From.cols(), Inner = Rank ? static_cast<Index>(Rank) : Width;
  RowsOfFloat Out(Matrix.data(), Width, Inner);
  Eigen::Map<const Eigen::RowVectorXf> Added(Offset.data(), Width);
  RowMajor Inside =
      Rank ? RowMajor(From * RowsOfFloat(In.data(), Inner, Width).transpose()) : RowMajor(From);
  RowSet Result = Rows;
  Eigen::Map<RowMajor> To(Result.Values.data(), From.rows(), Width);
  To.noalias() += Inside * Out.transpose();
  To.rowwise() += Added;
  return Result;
}

//===----------------------------------------------------------------------===//
// Predicates
//===----------------------------------------------------------------------===//

static double logistic(double Score) { return 1 / (1 + std::exp(-Score)); }

float ExitPredicate::confidence(std::span<const float> Row) const {
  double Score = Bias;
  for (size_t I = 0; I < Row.size(); ++I)
    Score += static_cast<double>(Row[I]) * Weights[I];
  return static_cast<float>(logistic(Score));
}

/// The mean loss of weights, the last of which is the bias, without what does not change.
static double lossOf(const VectorXd &Scores, const VectorXd &Target, const VectorXd &Weights) {
  double Sum = 0;
  for (Index I = 0; I < Scores.size(); ++I)
    Sum += std::max(Scores[I], 0.0) + std::log1p(std::exp(-std::abs(Scores[I]))) -
           Target[I] * Scores[I];
  return Sum / static_cast<double>(Scores.size()) +
         PredicatePenalty / 2 * Weights.head(Weights.size() - 1).squaredNorm();
}

/// `X` has a column of ones behind the features.
static VectorXd minimise(const MatrixXd &X, const VectorXd &Target) {
  constexpr int MostSteps = 50;
  constexpr double Small = 1e-9;
  auto Rows = static_cast<double>(X.rows());
  VectorXd Weights = VectorXd::Zero(X.cols()), Penalty(X.cols());
  Penalty.fill(PredicatePenalty);
  Penalty[X.cols() - 1] = 0;
  double Loss = lossOf(X * Weights, Target, Weights);
  for (int Step = 0; Step < MostSteps; ++Step) {
    VectorXd Chance = (X * Weights).unaryExpr(&logistic);
    VectorXd Slope = X.transpose() * (Chance - Target) / Rows + Penalty.cwiseProduct(Weights);
    VectorXd Curve = Chance.array() * (1 - Chance.array()) / Rows;
    MatrixXd Normal = X.transpose() * Curve.asDiagonal() * X;
    Normal.diagonal() += Penalty;
    VectorXd Move = Eigen::LDLT<MatrixXd>(Normal).solve(Slope);
    double Part = 1, Next;
    while ((Next = lossOf(X * (Weights - Part * Move), Target, Weights - Part * Move)) > Loss &&
           Part > Small)
      Part /= 2;
    if (!(Next < Loss - Small))
      break;
    Weights -= Part * Move;
    Loss = Next;
  }
  return Weights;
}

ExitPredicate lathe::fitPredicate(const RowSet &Rows, const std::vector<bool> &Agrees) {
  RowsOfFloat From = asMatrix(Rows);
  Index Width = From.cols();
  auto Count = static_cast<double>(From.rows());
  auto Positive = static_cast<double>(std::count(Agrees.begin(), Agrees.end(), true));
  MatrixXd X(From.rows(), Width + 1);
  X.leftCols(Width) = From.cast<double>();
  VectorXd Mean = X.leftCols(Width).colwise().mean();
  X.leftCols(Width).rowwise() -= Mean.transpose();
  VectorXd Scale = scalesOf(X.leftCols(Width).colwise().squaredNorm() / Count, Mean);
  X.leftCols(Width) *= Scale.asDiagonal();
  X.col(Width).setOnes();
  VectorXd Target(From.rows());
  for (Index I = 0; I < Target.size(); ++I)
    Target[I] = Agrees[static_cast<size_t>(I)] ? (Positive + 1) / (Positive + 2)
                                               : 1 / (Count - Positive + 2);
  VectorXd Found = minimise(X, Target);
  VectorXd Weights = Scale.cwiseProduct(Found.head(Width));
  ExitPredicate Result;
  Result.Bias = static_cast<float>(Found[Width] - Weights.dot(Mean));
  for (double Each : Weights)
    Result.Weights.push_back(static_cast<float>(Each));
  return Result;
}
