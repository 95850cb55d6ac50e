//===- Compilation.cpp - One compile, from input to output -----------------===//

#include "compiler/driver/Compilation.h"

#include "compiler/driver/VerifyPipeline.h"
#include "compiler/import/Import.h"

#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// MLIR's parser recurses, so deeper text is refused before it is read.
static constexpr unsigned DeepestNesting = 1000;

Compilation::Compilation(CompilationOptions given) : options(std::move(given)) {}
Compilation::~Compilation() = default;

bool Compilation::fail(unsigned number, llvm::Error error) {
  diags.error(number, options.input, llvm::toString(std::move(error)));
  return false;
}

//===----------------------------------------------------------------------===//
// Input
//===----------------------------------------------------------------------===//

void Compilation::collect(mlir::Diagnostic &diag) {
  if (diag.getSeverity() == DiagnosticSeverity::Note ||
      diag.getSeverity() == DiagnosticSeverity::Remark)
    return;
  std::string where = options.input;
  if (auto loc = diag.getLocation()->findInstanceOf<FileLineColLoc>())
    where += ":" + std::to_string(loc.getLine()) + ":" + std::to_string(loc.getColumn());
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
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(sources, context.get());
  if (module && getStage(*module) < 0)
    diags.error(503, options.input, "'lathe.stage' names no stage",
                "stages: " + llvm::join(allStages(), ", "));
  return module;
}

OwningOpRef<ModuleOp> Compilation::load() {
  StringRef path = options.input;
  if (path.ends_with(".mlir") || path.ends_with(".mlirbc"))
    return parse();
  std::unique_ptr<GGUFFile> file = GGUFFile::open(options.input, diags);
  if (!file)
    return {};
  OwningOpRef<ModuleOp> module = importGGUF(*file, *context, diags);
  if (module && failed(verify(*module)))
    return {};
  if (module)
    (*module)->setAttr("lathe.stage", StringAttr::get(context.get(), allStages().front()));
  return module;
}

//===----------------------------------------------------------------------===//
// Stages and code
//===----------------------------------------------------------------------===//

/// Options of stages that lie behind cannot be honoured any more.
void Compilation::warnOfLateOptions(ModuleOp module) {
  auto compare = [&](StringRef attribute, StringRef flag, StringRef wanted, StringRef neutral) {
    auto had = module->getAttrOfType<StringAttr>(attribute);
    if (had && wanted != neutral && had.getValue() != wanted)
      diags.warning(
          506, options.input,
          (flag + " " + wanted + " comes too late: the program was made with " + had.getValue())
              .str(),
          "start from an earlier stage");
  };
  compare("lathe.precision", "--precision", options.pipeline.precision, "auto");
  compare("lathe.target", "--target", askedTarget, "host");
}

bool Compilation::runStages(ModuleOp module, int last) {
  PassManager passes(context.get());
  for (int stage = getStage(module) + 1; stage <= last; ++stage)
    addStage(passes, stage, options.pipeline);
  if (options.verifyEachPass)
    verifyPipeline(passes);
  if (options.timing)
    passes.enableTiming();
  if (succeeded(passes.run(module)) && !diags.hasErrors())
    return true;
  if (!diags.hasErrors())
    diags.error(901, options.input, "a pass failed without saying why");
  return false;
}

bool Compilation::generate(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>("lathe.target");
  const CpuTarget *target = name ? findCpuTarget(name.getValue()) : nullptr;
  if (!target) {
    diags.error(504, options.input, "the module names no known CPU target",
                "targets: " + llvm::join(allCpuTargets(), ", "));
    return false;
  }
  llvm::Expected<std::unique_ptr<Codegen>> codegen = Codegen::create(*target, options.timing);
  if (!codegen)
    return fail(902, codegen.takeError());
  if (llvm::Error error = (*codegen)->lower(module))
    return fail(902, std::move(error));
  if (options.emit == "llvm") {
    output = (*codegen)->printIR();
    return true;
  }
  auto type = options.emit == "asm" ? llvm::CodeGenFileType::AssemblyFile
                                    : llvm::CodeGenFileType::ObjectFile;
  llvm::Expected<std::string> code = (*codegen)->emit(type);
  if (!code)
    return fail(902, code.takeError());
  output = std::move(*code);
  return true;
}

bool Compilation::run() {
  const CpuTarget *target = findCpuTarget(options.pipeline.target);
  if (!target) {
    diags.error(504, "", "unknown target '" + options.pipeline.target + "'",
                "targets: host, " + llvm::join(allCpuTargets(), ", "));
    return false;
  }
  askedTarget = options.pipeline.target;
  options.pipeline.target = target->name;
  DialectRegistry registry;
  registerLatheDialects(registry);
  context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  ScopedDiagnosticHandler handler(context.get(), [&](mlir::Diagnostic &diag) { collect(diag); });

  OwningOpRef<ModuleOp> module = load();
  if (!module || diags.hasErrors()) {
    if (!diags.hasErrors())
      diags.error(502, options.input, "the file cannot be read as MLIR");
    return false;
  }
  StringRef emit = options.emit;
  bool print = emit.consume_front("mlir:");
  int last = print ? findStage(emit) : static_cast<int>(allStages().size()) - 1;
  if (last < 0 || last < getStage(*module)) {
    diags.error(503, options.input,
                "cannot go back to stage '" + emit.str() + "' from '" +
                    allStages()[getStage(*module)].str() + "'",
                "stages: " + llvm::join(allStages(), ", "));
    return false;
  }
  warnOfLateOptions(*module);
  if (!runStages(*module, last))
    return false;
  if (!print)
    return generate(*module);
  llvm::raw_string_ostream stream(output);
  module->print(stream);
  stream << "\n";
  return true;
}

//===----------------------------------------------------------------------===//
// Using what was made
//===----------------------------------------------------------------------===//

void *Compilation::lookup(StringRef symbol) {
  if (!loaded) {
    llvm::Expected<std::unique_ptr<LoadedObject>> object = LoadedObject::create(output);
    if (!object) {
      fail(902, object.takeError());
      return nullptr;
    }
    loaded = std::move(*object);
  }
  return loaded->lookup(symbol);
}

bool Compilation::writeLibrary(StringRef path) {
  if (llvm::Error error = linkLibrary(output, path))
    return fail(505, std::move(error));
  return true;
}
