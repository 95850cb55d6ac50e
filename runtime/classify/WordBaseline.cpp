//===- WordBaseline.cpp - What the words of a text say of its label -------===//

#include "runtime/classify/WordBaseline.h"

#include <Eigen/IterativeLinearSolvers>
#include <Eigen/Sparse>
#include <cmath>
#include <unordered_map>

using namespace lathe;

using Eigen::Index;
using SparseRows = Eigen::SparseMatrix<double, Eigen::RowMajor>;

/// Calls `Each` for the words of two letters or more, in lower case, and for every pair of
/// neighbours.  A letter is what ASCII says, a digit, or a byte of any other character.
template <typename Callable> static void forTerms(std::string_view Text, Callable &&Each) {
  std::string Word, Previous;
  auto Finish = [&] {
    if (Word.size() < 2)
      return Word.clear();
    Each(Word);
    if (!Previous.empty())
      Each(Previous + " " + Word);
    Previous.swap(Word);
    Word.clear();
  };
  for (char C : Text) {
    auto Byte = static_cast<unsigned char>(C);
    if (C >= 'A' && C <= 'Z')
      Word += static_cast<char>(C - 'A' + 'a');
    else if ((C >= 'a' && C <= 'z') || (C >= '0' && C <= '9') || Byte >= 0x80)
      Word += C;
    else
      Finish();
  }
  Finish();
}

namespace {
/// The terms that two texts or more have, and how rare each is.
class Terms {
public:
  explicit Terms(const std::vector<std::string> &Texts) {
    std::unordered_map<std::string, std::pair<size_t, size_t>> Seen; // Texts, and the last of them.
    for (size_t I = 0; I < Texts.size(); ++I)
      forTerms(Texts[I], [&](const std::string &Term) {
        auto &[Count, Last] = Seen[Term];
        if (Count == 0 || Last != I)
          ++Count, Last = I;
      });
    for (const auto &[Term, Found] : Seen)
      if (Found.first >= 2) {
        Number.emplace(Term, static_cast<Index>(Rarity.size()));
        Rarity.push_back(1 + std::log((1 + double(Texts.size())) / (1 + double(Found.first))));
      }
  }

  /// With a column of ones behind the terms.
  Index columns() const { return static_cast<Index>(Rarity.size()) + 1; }

  /// A row for each text, of length 1 but for its one.
  void append(const std::vector<std::string> &Texts,
              std::vector<Eigen::Triplet<double>> &Cells) const {
    for (size_t I = 0; I < Texts.size(); ++I) {
      std::unordered_map<Index, double> Counts;
      forTerms(Texts[I], [&](const std::string &Term) {
        if (auto Found = Number.find(Term); Found != Number.end())
          ++Counts[Found->second];
      });
      double Squares = 0;
      for (auto &[Term, Value] : Counts) {
        Value = (1 + std::log(Value)) * Rarity[static_cast<size_t>(Term)];
        Squares += Value * Value;
      }
      for (auto [Term, Value] : Counts)
        Cells.emplace_back(static_cast<Index>(I), Term, Value / std::sqrt(Squares));
      Cells.emplace_back(static_cast<Index>(I), columns() - 1, 1);
    }
  }

private:
  std::unordered_map<std::string, Index> Number;
  std::vector<double> Rarity;
};
} // namespace

/// Weights of the terms for each label.  The penalty of 1 is rows of the identity below
/// the texts, whose answers are 0.
static Eigen::MatrixXd learn(const Terms &Known, const LabelledTexts &Train) {
  auto Texts = static_cast<Index>(Train.size());
  std::vector<Eigen::Triplet<double>> Cells;
  Known.append(Train.Texts, Cells);
  for (Index Term = 0; Term < Known.columns(); ++Term)
    Cells.emplace_back(Texts + Term, Term, 1);
  SparseRows Rows(Texts + Known.columns(), Known.columns());
  Rows.setFromTriplets(Cells.begin(), Cells.end());
  Eigen::LeastSquaresConjugateGradient<SparseRows> Solver(Rows);
  Solver.setTolerance(1e-3);
  Solver.setMaxIterations(100);
  Eigen::MatrixXd Weights(Known.columns(), static_cast<Index>(Train.Labels.size()));
  for (Index Label = 0; Label < Weights.cols(); ++Label) {
    Eigen::VectorXd Answers = Eigen::VectorXd::Zero(Rows.rows());
    for (Index I = 0; I < Texts; ++I)
      Answers[I] = Train.Label[static_cast<size_t>(I)] == static_cast<size_t>(Label) ? 1 : -1;
    Weights.col(Label) = Solver.solve(Answers);
  }
  return Weights;
}

int64_t lathe::countRightByWords(const LabelledTexts &Train, const LabelledTexts &Test) {
  Terms Known(Train.Texts);
  Eigen::MatrixXd Weights = learn(Known, Train);
  std::vector<Eigen::Triplet<double>> Cells;
  Known.append(Test.Texts, Cells);
  SparseRows Rows(static_cast<Index>(Test.size()), Known.columns());
  Rows.setFromTriplets(Cells.begin(), Cells.end());
  Eigen::MatrixXd Scores = Rows * Weights;
  int64_t Right = 0;
  for (Index I = 0; I < Scores.rows(); ++I) {
    Index Best = 0;
    Scores.row(I).maxCoeff(&Best);
    Right += static_cast<size_t>(Best) == Test.Label[static_cast<size_t>(I)];
  }
  return Right;
}
