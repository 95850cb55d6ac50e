//===- FitHeads.cpp - Heads in closed form ----------------------*- C++ -*-===//

#include "runtime/classify/FitHeads.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>

using namespace lathe;

using Eigen::Index;
using Eigen::MatrixXd;
using RowsOfFloat =
    Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

static constexpr double Penalty = 0.1;
/// Texts whose vectors are held in double precision at a time.
static constexpr Index BlockTexts = 512;

namespace {
/// Means of features, and what makes their variance 1 (0 where they do not vary).
struct Standard {
  Eigen::RowVectorXd Mean, Scale;

  explicit Standard(const RowsOfFloat &Vectors) {
    auto Count = static_cast<double>(Vectors.rows());
    Mean = Eigen::RowVectorXd::Zero(Vectors.cols());
    Scale = Mean;
    for (Index I = 0; I < Vectors.rows(); ++I)
      Mean += Vectors.row(I).cast<double>();
    Mean /= Count;
    for (Index I = 0; I < Vectors.rows(); ++I)
      Scale += (Vectors.row(I).cast<double>() - Mean).cwiseAbs2();
    Scale = (Scale / Count).unaryExpr([](double Each) {
      return Each > 1e-12 ? 1 / std::sqrt(Each) : 0;
    });
  }

  MatrixXd apply(const RowsOfFloat &Vectors, Index First, Index Count) const {
    MatrixXd Block = Vectors.middleRows(First, Count).cast<double>();
    return ((Block.rowwise() - Mean).array().rowwise() * Scale.array()).matrix();
  }
};

/// The normal equations: the lower triangle of X^T X, and X^T Y.
struct Equations {
  MatrixXd Left, Right;

  Equations(const RowsOfFloat &Vectors, const std::vector<size_t> &Label, size_t Labels,
            const Standard &To)
      : Left(MatrixXd::Zero(Vectors.cols(), Vectors.cols())),
        Right(MatrixXd::Zero(Vectors.cols(), static_cast<Index>(Labels))) {
    for (Index First = 0; First < Vectors.rows(); First += BlockTexts) {
      Index Count = std::min(BlockTexts, Vectors.rows() - First);
      MatrixXd Block = To.apply(Vectors, First, Count);
      Left.selfadjointView<Eigen::Lower>().rankUpdate(Block.transpose());
      for (Index I = 0; I < Count; ++I)
        Right.col(static_cast<Index>(Label[static_cast<size_t>(First + I)])) +=
            Block.row(I).transpose();
    }
  }
};
} // namespace

/// Of weights for standardised features, those for the features themselves.
static ExitHead unstandardise(const MatrixXd &Weights, const Standard &From,
                              const Eigen::RowVectorXd &Shares, int64_t Depth) {
  MatrixXd Own = From.Scale.head(Weights.rows()).transpose().asDiagonal() * Weights;
  Eigen::RowVectorXd Bias = Shares - From.Mean.head(Own.rows()) * Own;
  ExitHead Head;
  Head.Depth = Depth;
  Head.Bias.assign(Bias.begin(), Bias.end());
  for (Index F = 0; F < Own.rows(); ++F)
    for (Index L = 0; L < Own.cols(); ++L)
      Head.Weights.push_back(static_cast<float>(Own(F, L)));
  return Head;
}

std::vector<ExitHead> lathe::fitHeads(const LabelledVectors &Texts, size_t Labels) {
  auto Count = static_cast<Index>(Texts.size());
  RowsOfFloat Vectors(Texts.Vectors.data(), Count, static_cast<Index>(Texts.Depths * Texts.Width));
  Standard To(Vectors);
  Equations Normal(Vectors, Texts.Label, Labels, To);
  Normal.Left.diagonal().array() += Penalty * static_cast<double>(Count);
  Eigen::RowVectorXd Shares = Eigen::RowVectorXd::Zero(static_cast<Index>(Labels));
  for (size_t Each : Texts.Label)
    Shares[static_cast<Index>(Each)] += 1 / static_cast<double>(Count);
  // The penalty makes it positive definite.
  Eigen::LLT<Eigen::Ref<MatrixXd>> Factors(Normal.Left);
  Factors.matrixL().solveInPlace(Normal.Right);
  std::vector<ExitHead> Heads;
  for (size_t Depth = 0; Depth < Texts.Depths; ++Depth) {
    auto Features = static_cast<Index>((Depth + 1) * Texts.Width);
    MatrixXd Weights = Normal.Right.topRows(Features);
    Normal.Left.topLeftCorner(Features, Features)
        .triangularView<Eigen::Lower>()
        .transpose()
        .solveInPlace(Weights);
    Heads.push_back(unstandardise(Weights, To, Shares, static_cast<int64_t>(Depth)));
  }
  return Heads;
}

//===----------------------------------------------------------------------===//
// Temperatures
//===----------------------------------------------------------------------===//

/// How the loss grows with the inverse of the temperature: the expected score above the
/// true label's.  It rises with the inverse, as the loss is convex.
static double slope(const std::vector<float> &Scores, const std::vector<size_t> &Label,
                    size_t Labels, double Inverse) {
  double Sum = 0;
  for (size_t I = 0; I < Label.size(); ++I) {
    const float *Own = Scores.data() + I * Labels;
    double Most = *std::max_element(Own, Own + Labels), Shares = 0, Weighted = 0;
    for (size_t L = 0; L < Labels; ++L) {
      double Share = std::exp((Own[L] - Most) * Inverse);
      Shares += Share;
      Weighted += Share * Own[L];
    }
    Sum += Weighted / Shares - Own[Label[I]];
  }
  return Sum;
}

void lathe::fitTemperatures(std::vector<ExitHead> &Heads, const LabelledVectors &Texts) {
  for (ExitHead &Head : Heads) {
    size_t Labels = Head.Bias.size();
    std::vector<float> Scores(Texts.size() * Labels);
    for (size_t I = 0; I < Texts.size(); ++I)
      Head.score(Texts.of(I), Scores.data() + I * Labels);
    double Low = std::log(1e-2), High = std::log(1e4); // Of the inverse.
    for (int Step = 0; Step < 40; ++Step) {
      double Middle = (Low + High) / 2;
      (slope(Scores, Texts.Label, Labels, std::exp(Middle)) > 0 ? High : Low) = Middle;
    }
    Head.Temperature = static_cast<float>(std::exp(-(Low + High) / 2));
  }
}
