//===- PassStatistics.cpp - What passes count ------------------------------===//

#include "passes/PassStatistics.h"

#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/Format.h"

using namespace lathe;

using CounterLister = std::function<PassCounterList(mlir::Pass &)>;

/// Declared by static objects of other files, so made at first use.
static llvm::DenseMap<mlir::TypeID, CounterLister> &listers() {
  static llvm::DenseMap<mlir::TypeID, CounterLister> map;
  return map;
}

void lathe::registerPassCounters(mlir::TypeID pass, CounterLister list) {
  listers()[pass] = std::move(list);
}

void PassStatistics::add(mlir::Pass &pass) {
  auto lister = listers().find(pass.getTypeID());
  if (lister == listers().end())
    return;
  for (PassCounter *counter : lister->second(pass)) {
    auto known = llvm::find_if(rows, [&](const Row &row) {
      return row.pass == pass.getArgument() && row.name == counter->name;
    });
    if (known == rows.end())
      known = rows.insert(rows.end(), {pass.getArgument().str(), counter->name.str(),
                                       counter->description.str(), 0});
    known->value += std::exchange(counter->value, 0);
  }
}

std::string PassStatistics::str() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (!rows.empty())
    stream << "pass                       statistic           value  meaning\n";
  for (const Row &row : rows)
    stream << llvm::format("%-26s %-12s %12lld  %s\n", row.pass.c_str(), row.name.c_str(),
                           static_cast<long long>(row.value), row.description.c_str());
  return text;
}

namespace {
class CollectStatistics : public mlir::PassInstrumentation {
public:
  explicit CollectStatistics(PassStatistics &into) : into(into) {}
  void runAfterPass(mlir::Pass *pass, mlir::Operation *) override { into.add(*pass); }

private:
  PassStatistics &into;
};
} // namespace

void lathe::collectStatistics(mlir::PassManager &passes, PassStatistics &into) {
  passes.addInstrumentation(std::make_unique<CollectStatistics>(into));
}
