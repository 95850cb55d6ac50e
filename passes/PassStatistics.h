//===- PassStatistics.h - What passes count ---------------------*- C++ -*-===//
//
// Numbers that say what a pass did, in every build: those of MLIR (and of
// LLVM) are left out of release builds.  A pass has its counters as members and
// names them once, beside itself:
//
//   struct FusePass : ... { PassCounter numGroups{"groups", "fusion groups made"}; };
//   static const PassCounters<FusePass> counters{&FusePass::numGroups};
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_PASSES_PASSSTATISTICS_H
#define LATHE_PASSES_PASSSTATISTICS_H

#include "mlir/Pass/Pass.h"
#include "llvm/ADT/SmallVector.h"

#include <functional>
#include <string>
#include <vector>

namespace mlir {
class PassManager;
} // namespace mlir

namespace lathe {

/// One number of one pass.
struct PassCounter {
  llvm::StringLiteral name;
  llvm::StringLiteral description; ///< What is counted: "fusion groups made".
  int64_t value = 0;

  PassCounter &operator++() { return *this += 1; }
  PassCounter &operator+=(int64_t more) {
    value += more;
    return *this;
  }
};

using PassCounterList = llvm::SmallVector<PassCounter *, 4>;

/// Declares what the passes of a type count; a second declaration replaces the
/// first.
void registerPassCounters(mlir::TypeID pass, std::function<PassCounterList(mlir::Pass &)> list);

/// A static object of this type declares the counters of a pass.
template <typename PassT> struct PassCounters {
  PassCounters(std::initializer_list<PassCounter PassT::*> members) {
    registerPassCounters(mlir::TypeID::get<PassT>(),
                         [members = std::vector(members)](mlir::Pass &pass) {
                           PassCounterList list;
                           for (PassCounter PassT::*member : members)
                             list.push_back(&(static_cast<PassT &>(pass).*member));
                           return list;
                         });
  }
};

/// The sums of what the passes of a run counted, in the order in which the
/// passes first ran.  Not thread-safe.
class PassStatistics {
public:
  struct Row {
    std::string pass, name, description;
    int64_t value;
  };

  /// Adds the counters of a pass that has run, and sets them back to 0.
  void add(mlir::Pass &pass);

  const std::vector<Row> &getRows() const { return rows; }

  /// A table with a line for each counter; empty when no pass ran that counts.
  std::string str() const;

private:
  std::vector<Row> rows;
};

/// Adds to `into`, which must outlive `passes`, what their passes count.
void collectStatistics(mlir::PassManager &passes, PassStatistics &into);

} // namespace lathe

#endif // LATHE_PASSES_PASSSTATISTICS_H
