//===- GpuWork.cpp - What phases do, and the least time it takes -----------===//

#include "compiler/target/nvptx/GpuWork.h"

#include "compiler/target/PhaseParts.h"
#include "compiler/target/cpu/CostModel.h"
#include "compiler/target/nvptx/GpuTensorAttention.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr llvm::StringLiteral WorkName = "lathe.work";

/// How often a step runs the phase, when it leaves out and leaves no layer.
static int64_t countRuns(step::PhaseOp phase) {
  auto layers = phase->getParentOfType<step::LayersOp>();
  if (!layers)
    return 1;
  if (!layers.getSelect())
    return static_cast<int64_t>(cast<ir::LayerLoopOpInterface>(*layers).getKeptLayers().size());
  Region *body = phase->getParentRegion();
  while (body->getParentOp() != layers)
    body = body->getParentOp()->getParentRegion();
  return llvm::count(*layers.getSelect(), static_cast<int64_t>(body->getRegionNumber()));
}

void lathe::compiler::noteWork(ModuleOp module) {
  Builder builder(module.getContext());
  SmallVector<Attribute> all;
  for (auto program : module.getOps<step::ProgramOp>())
    program.walk([&](step::PhaseOp phase) {
      // A prompt wants logits of one row; steps of several sequences, or of drafts, of each.
      constexpr int64_t mostWanted = 8;
      int64_t rows = program.getMaxRows(), wanted = rows <= mostWanted ? rows : 1;
      PhaseWork work = computeWork(phase, rows, wanted, /*depth=*/0, /*dotsPairs=*/false);
      if (auto attention = findAttention(phase).first;
          attention && hasTensorAttention(attention.getCache().getType())) {
        // What meets keys and values is the sum of two numbers.
        int64_t operations = 2 * work.multiplyAdds;
        work.f32 -= operations;
        work.bf16 += 2 * operations;
      }
      auto number = [&](StringRef name, int64_t value) {
        return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
      };
      all.push_back(builder.getDictionaryAttr({
          builder.getNamedAttr("entry", program.getSymNameAttr()),
          builder.getNamedAttr("phase", builder.getStringAttr(phase.getPhaseName())),
          number("rows", rows),
          number("times", countRuns(phase)),
          number("bytes", work.weightBytes + work.cacheBytes + work.activationBytes),
          number("int8_operations", work.int8),
          number("bf16_operations", work.bf16),
          number("f32_operations", work.f32),
      }));
    });
  module->setAttr(WorkName, builder.getArrayAttr(all));
}

void lathe::compiler::writeRoofline(llvm::json::OStream &json, ModuleOp module,
                                    const GpuPeaks &peaks) {
  auto all = module->getAttrOfType<ArrayAttr>(WorkName);
  if (!all)
    return;
  for (auto phase : all.getAsRange<DictionaryAttr>()) {
    auto number = [&](StringRef name) { return phase.getAs<IntegerAttr>(name).getInt(); };
    double bytesSeconds = static_cast<double>(number("bytes")) / peaks.bytesPerSecond, seconds = 0;
    for (auto [name, peak] :
         {std::pair("int8_operations", peaks.int8), std::pair("bf16_operations", peaks.bf16),
          std::pair("f32_operations", peaks.f32)})
      seconds += static_cast<double>(number(name)) / peak;
    json.object([&] {
      for (StringRef name : {"entry", "phase"})
        json.attribute(name, phase.getAs<StringAttr>(name).getValue());
      for (StringRef name :
           {"rows", "times", "bytes", "int8_operations", "bf16_operations", "f32_operations"})
        json.attribute(name, number(name));
      json.attribute("limit_us", 1e6 * std::max(bytesSeconds, seconds));
      json.attribute("bound", bytesSeconds >= seconds ? "bytes" : "operations");
    });
  }
}
