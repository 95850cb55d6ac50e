//===- CompilationInput.cpp - What a compile starts from -------------------===//

#include "compiler/driver/Compilation.h"
#include "compiler/import/FolderArchitecture.h"
#include "compiler/import/Import.h"
#include "compiler/target/cpu/UpstreamOps.h"
#include "dialects/Lathe/LatheOps.h"
#include "runtime/support/Limits.h"
#include "runtime/support/NumberRanges.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// MLIR's parser recurses, so deeper text is refused before it is read.
static constexpr unsigned DeepestNesting = 1000;

std::string Compilation::describe(Location location) {
  auto loc = location->findInstanceOf<FileLineColLoc>();
  if (!loc)
    return options.input;
  return options.input + ":" + std::to_string(loc.getLine()) + ":" +
         std::to_string(loc.getColumn());
}

void Compilation::collect(mlir::Diagnostic &diag) {
  if (diag.getSeverity() == DiagnosticSeverity::Note ||
      diag.getSeverity() == DiagnosticSeverity::Remark)
    return;
  std::string where = describe(diag.getLocation());
  std::string hint;
  for (mlir::Diagnostic &note : diag.getNotes())
    if (std::string text = note.str(); !StringRef(text).starts_with("see current operation"))
      hint += (hint.empty() ? "" : "; ") + text;
  if (diag.getSeverity() == DiagnosticSeverity::Error)
    diags.error(501, where, diag.str(), hint);
  else
    diags.warning(501, where, diag.str(), hint);
}

static bool nestsTooDeep(StringRef text) {
  unsigned depth = 0;
  for (char letter : text) {
    if (StringRef("{([<").contains(letter) && ++depth > DeepestNesting)
      return true;
    // "->" and comparisons close nothing.
    if (StringRef("})]>").contains(letter) && depth > 0)
      --depth;
  }
  return false;
}

/// Tells once of every op, type and attribute that no dialect of ours defines.
void Compilation::checkDialects(ModuleOp module) {
  llvm::StringSet<> told;
  auto tell = [&](Location loc, const std::string &name, StringRef dialect) {
    if (!told.insert(name).second)
      return;
    diags.error(508, describe(loc),
                "found " + name + " of the unknown dialect '" + dialect.str() + "'",
                "known dialects: " + llvm::join(context->getAvailableDialects(), ", "));
  };
  Location loc = module.getLoc();
  AttrTypeWalker walker;
  walker.addWalk([&](OpaqueType type) {
    tell(loc, "type '" + type.getTypeData().str() + "'", type.getDialectNamespace());
  });
  walker.addWalk([&](OpaqueAttr attribute) {
    tell(loc, "attribute '" + attribute.getAttrData().str() + "'", attribute.getDialectNamespace());
  });
  module.walk([&](Operation *op) {
    loc = op->getLoc();
    if (!op->isRegistered())
      tell(loc, "op '" + op->getName().getStringRef().str() + "'",
           op->getName().getDialectNamespace());
    walker.walk(op->getAttrDictionary());
    for (Type type : op->getResultTypes())
      walker.walk(type);
    for (Region &region : op->getRegions())
      for (Type type : region.getArgumentTypes())
        walker.walk(type);
  });
}

/// All that no code can be made of is told before anything is compiled.
void Compilation::checkUpstream(ModuleOp module) {
  findUnsupported(module, [&](Location loc, const std::string &what, const std::string &hint) {
    diags.error(509, describe(loc), what, hint);
  });
}

OwningOpRef<ModuleOp> Compilation::parse() {
  auto buffer = llvm::MemoryBuffer::getFile(options.input, /*IsText=*/true);
  if (!buffer) {
    diags.error(201, options.input, "cannot read the file: " + buffer.getError().message());
    return {};
  }
  bool bytecode = isBytecode(**buffer);
  if ((*buffer)->getBuffer().trim().empty() ||
      (!bytecode && (*buffer)->getBuffer().contains('\0'))) {
    diags.error(502, options.input, "found no MLIR text or bytecode");
    return {};
  }
  if (!bytecode && nestsTooDeep((*buffer)->getBuffer())) {
    diags.error(502, options.input,
                "nests deeper than " + std::to_string(DeepestNesting) + " brackets");
    return {};
  }
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(*buffer), SMLoc());
  ParserConfig config(context.get());
  // A reproducer says which passes come next; here the stages do.
  PassReproducerOptions ignored;
  ignored.attachResourceParser(config);
  // What is unknown is told by us, all of it and by name.
  context->allowUnregisteredDialects();
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, config);
  context->allowUnregisteredDialects(false);
  if (module)
    checkDialects(*module);
  // Kernels are made of other ops than programs.
  int kernels = static_cast<int>(allStages().size()) - 1;
  if (module && !diags.hasErrors() && getStage(*module) < kernels)
    checkUpstream(*module);
  if (module && getStage(*module) < 0)
    diags.error(503, options.input, "'lathe.stage' names no stage",
                "stages: " + llvm::join(allStages(), ", "));
  return module;
}

/// Finds the layers to skip, which only the model can tell from "0-20".
bool Compilation::chooseLayers(ModuleOp module) {
  if (options.layers.empty() && options.skip.empty())
    return true;
  int64_t count = 0, least = limits::MaxLayers;
  module.walk([&](ir::LayersOp op) {
    count = std::max<int64_t>(count, op.getCount());
    least = std::min<int64_t>(least, op.getCount());
  });
  if (inputStage > 0 || count == 0) {
    diags.error(503, options.input,
                "the choice of layers comes too late: the program is at stage '" +
                    allStages()[inputStage].str() + "', expected 'import'");
    return false;
  }
  if (least != count) {
    diags.error(841, options.input,
                "found stacks of " + std::to_string(least) + " and of " + std::to_string(count) +
                    " layers, expected all alike, as one list is for all");
    return false;
  }
  std::vector<bool> kept(count, true);
  auto drop = [&](const std::string &text, const char *what, bool listed) {
    std::optional<std::vector<bool>> found = parseLayerList(text, what, count, diags);
    for (int64_t layer = 0; found && layer < count; ++layer)
      kept[layer] = kept[layer] && (*found)[layer] != listed;
    return found.has_value();
  };
  if ((!options.layers.empty() && !drop(options.layers, "layers", false)) ||
      (!options.skip.empty() && !drop(options.skip, "skip", true)))
    return false;
  for (int64_t layer = 0; layer < count; ++layer)
    if (!kept[layer])
      options.pipeline.skippedLayers.push_back(layer);
  if (std::ssize(options.pipeline.skippedLayers) < count)
    return true;
  diags.error(840, "layers", "found none that is left to run, expected at least one");
  return false;
}

bool Compilation::isProgramText() const {
  StringRef path = options.input;
  return path.ends_with(".mlir") || path.ends_with(".mlirbc");
}

OwningOpRef<ModuleOp> Compilation::importModel() {
  if (ModelFolder::matches(options.input)) {
    std::unique_ptr<ModelFolder> folder = ModelFolder::open(options.input, diags);
    return folder ? importFolder(*folder, *context, diags) : OwningOpRef<ModuleOp>();
  }
  std::unique_ptr<GGUFFile> file = GGUFFile::open(options.input, diags);
  return file ? importGGUF(*file, *context, diags) : OwningOpRef<ModuleOp>();
}

OwningOpRef<ModuleOp> Compilation::load() {
  if (isProgramText())
    return parse();
  OwningOpRef<ModuleOp> module = importModel();
  if (module && failed(verify(*module)))
    return {};
  if (module)
    (*module)->setAttr("lathe.stage", StringAttr::get(context.get(), allStages().front()));
  return module;
}
