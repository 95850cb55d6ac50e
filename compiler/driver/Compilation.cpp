//===- Compilation.cpp - One compile, from input to output -----------------===//

#include "compiler/driver/Compilation.h"

#include "compiler/driver/CrashGuard.h"
#include "compiler/driver/DeviceObject.h"
#include "compiler/driver/Reproducer.h"
#include "compiler/driver/VerifyPipeline.h"
#include "compiler/target/DeviceTarget.h"
#include "compiler/target/cpu/ScheduleReport.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"

#include <mutex>
#include <utility>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

Compilation::Compilation(CompilationOptions given) : options(std::move(given)) {}
Compilation::~Compilation() = default;

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
  compare("lathe.kv_type", "--kv-type", options.pipeline.kvType, "auto");
  compare("lathe.target", "--target", askedTarget, "host");
}

namespace {

/// Keeps the program as it was when it reached its stage, and takes the place of
/// the pass manager's verifier: what a pass of ours breaks is no user's fault.
class WatchStages : public PassInstrumentation {
public:
  WatchStages(OwningOpRef<ModuleOp> &kept, std::string &fault) : kept(kept), fault(fault) {}

  void runBeforePass(Pass *, Operation *op) override {
    auto module = dyn_cast<ModuleOp>(op);
    if (module && (!kept || getStage(*kept) != getStage(module)))
      kept = module.clone();
  }

  void runAfterPass(Pass *pass, Operation *op) override {
    // These make no ops of their own: what they leave was verified.
    if (pass->getArgument() == "cse" || pass->getArgument() == "lathe-mark-stage")
      return;
    std::string message;
    ScopedDiagnosticHandler handler(op->getContext(), [&](mlir::Diagnostic &diag) {
      if (message.empty())
        message = diag.str();
    });
    bool runsOthers = pass->getName().contains("OpToOpPassAdaptor");
    if (succeeded(verify(op, /*verifyRecursively=*/!runsOthers)))
      return;
    fault =
        ("pass '" + pass->getArgument() + "' made a program that is not valid: " + message).str();
    signalPassFailure(pass);
  }

  void runAfterPassFailed(Pass *pass, Operation *) override {
    if (fault.empty())
      fault = ("pass '" + pass->getArgument() + "' failed without saying why").str();
  }

private:
  OwningOpRef<ModuleOp> &kept;
  std::string &fault;
};

} // namespace

bool Compilation::addUserPasses(PassManager &passes) {
  static std::once_flag once;
  std::call_once(once, [] {
    registerTransformsPasses();
    registerLathePasses();
  });
  std::string message;
  llvm::raw_string_ostream stream(message);
  if (succeeded(parsePassPipeline(options.passes, passes, stream)))
    return true;
  // "MLIR Textual PassPipeline Parser:1:1: error: ...", and the text with a caret.
  StringRef first = StringRef(message).split('\n').first;
  size_t header = first.find("error: ");
  diags.error(507, "--passes", first.substr(header == StringRef::npos ? 0 : header + 7).str(),
              "'lathe-opt --help' lists the passes");
  return false;
}

/// Adds the passes from `firstStage` on to `passes`, those of the user ahead
/// of them when `isFirst`; false, with an error, when these cannot be read.
bool Compilation::addPasses(PassManager &passes, int firstStage, bool isFirst) {
  if (isFirst && !options.passes.empty() && !addUserPasses(passes))
    return false;
  for (int stage = firstStage; stage <= lastStage; ++stage)
    addStage(passes, stage, options.pipeline);
  return true;
}

bool Compilation::runStages(ModuleOp module) {
  PassManager passes(context.get());
  if (!addPasses(passes, inputStage + 1, /*isFirst=*/true))
    return false;
  if (options.verifyEachPass)
    verifyPipeline(passes);
  if (options.timing)
    passes.enableTiming();
  std::string fault;
  collectStatistics(passes, statistics);
  passes.enableVerifier(false);
  passes.addInstrumentation(std::make_unique<WatchStages>(kept, fault));
  bool passed = succeeded(passes.run(module));
  if (!passed && !diags.hasErrors())
    return reportFault(901, fault);
  return !diags.hasErrors();
}

/// The text of the manifest that a module at the stage of kernels has, or "".
static std::string readManifest(ModuleOp module) {
  auto manifest = module.lookupSymbol<LLVM::GlobalOp>("lathe_manifest");
  return manifest ? cast<StringAttr>(manifest.getValueAttr()).getValue().str() : std::string();
}

/// Whether --emit asks for something that a library is made of.
static bool isProgramOutput(StringRef emit) { return emit.empty() || emit == "obj"; }

/// As `generate`, for a target that is no CPU.
bool Compilation::generateForDevice(ModuleOp module, const DeviceTarget &device) {
  bool isProgram = isProgramOutput(options.emit);
  std::string manifest = readManifest(module);
  if (options.onManifest && options.emit.empty())
    options.onManifest(manifest);
  llvm::Expected<std::string> text =
      device.generate(module, isProgram ? device.image() : StringRef(options.emit), options.timing);
  if (text && isProgram)
    text = makeDeviceObject(manifest, *text);
  if (!text)
    return reportFault(902, llvm::toString(text.takeError()));
  output = std::move(*text);
  return true;
}

bool Compilation::generate(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>("lathe.target");
  if (const DeviceTarget *device = name ? findDeviceTarget(name.getValue()) : nullptr) {
    // Kernels that were read from a file name a target of their own.
    return checkOutput(device) && generateForDevice(module, *device);
  }
  const CpuTarget *target = name ? findCpuTarget(name.getValue()) : nullptr;
  if (!target) {
    diags.error(504, options.input, "the module names no known CPU target",
                "targets: " + llvm::join(allCpuTargets(), ", "));
    return false;
  }
  if (!kept)
    kept = module.clone();
  if (std::string manifest = readManifest(module);
      !manifest.empty() && options.onManifest && options.emit.empty())
    options.onManifest(manifest);
  llvm::Expected<std::unique_ptr<Codegen>> codegen = Codegen::create(*target, options.timing);
  if (!codegen)
    return reportFault(902, llvm::toString(codegen.takeError()));
  if (llvm::Error error = (*codegen)->lower(module))
    return reportFault(902, llvm::toString(std::move(error)));
  if (options.emit == "llvm") {
    output = (*codegen)->printIR();
    return true;
  }
  auto type = options.emit == "asm" ? llvm::CodeGenFileType::AssemblyFile
                                    : llvm::CodeGenFileType::ObjectFile;
  llvm::Expected<std::string> code = (*codegen)->emit(type);
  if (!code)
    return reportFault(902, llvm::toString(code.takeError()));
  output = std::move(*code);
  return true;
}

/// Whether --emit asks for something that GPU targets alone make.
static bool isDeviceOutput(StringRef emit) {
  return emit == "ptx" || emit == "cubin" || emit == "resources";
}

/// Whether the target, a CPU where there is no device, makes what --emit asks for.
bool Compilation::checkOutput(const DeviceTarget *device) {
  if (StringRef(options.emit).starts_with("mlir:") || (!device && !isDeviceOutput(options.emit)) ||
      (device &&
       (isProgramOutput(options.emit) || llvm::is_contained(device->outputs(), options.emit)))) {
    std::string tool = device ? device->missingTool(options.emit) : "";
    if (!tool.empty())
      diags.error(512, options.input,
                  "--emit " + options.emit + " needs " + tool + ", which was not found",
                  "drivers take --emit ptx");
    return tool.empty();
  }
  std::string wanted = "--emit " + options.emit;
  if (!device)
    diags.error(511, options.input, "found " + wanted + " for a CPU, expected a GPU",
                "GPU targets: " + llvm::join(allDeviceTargets(), ", "));
  else
    diags.error(511, options.input,
                "found " + wanted + " for " + device->name + ", expected --emit " +
                    llvm::join(device->outputs(), ", --emit ") + ", a stage or a program",
                "machine code is made for CPUs");
  return false;
}

/// Tells all that the device has no kernels for.
bool Compilation::checkDevice(ModuleOp module, const DeviceTarget &device) {
  device.findUnsupported(
      module, options.pipeline.kvType, [&](Location loc, const std::string &what) {
        diags.error(510, describe(loc),
                    "found " + what + ", which " + device.name + " has no kernels for");
      });
  return !diags.hasErrors();
}

/// Finds the first and the last stage to run.
bool Compilation::checkStage(ModuleOp module) {
  StringRef emit = options.emit;
  inputStage = getStage(module);
  lastStage = emit.consume_front("mlir:") ? findStage(emit)
              : emit == "schedule"        ? findStage("planned")
                                          : int(allStages().size()) - 1;
  if (lastStage >= inputStage)
    return true;
  diags.error(503, options.input,
              "cannot go back to stage '" + emit.str() + "' from '" +
                  allStages()[inputStage].str() + "'",
              "stages: " + llvm::join(allStages(), ", "));
  return false;
}

void Compilation::report(ModuleOp module) {
  std::optional<Machine> machine;
  if (!options.machine.empty()) {
    llvm::Expected<Machine> parsed = Machine::parse(options.machine);
    if (!parsed) {
      diags.error(112, options.input, llvm::toString(parsed.takeError()));
      return;
    }
    machine = std::move(*parsed);
  }
  output = writeSchedule(module, *findCpuTarget(options.pipeline.target), machine, options.depth);
}

void Compilation::compile() {
  DialectRegistry registry;
  registerLatheDialects(registry);
  if (isProgramText())
    registerUpstreamDialects(registry);
  context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->loadAllAvailableDialects();
  ScopedDiagnosticHandler handler(context.get(), [this](mlir::Diagnostic &diag) { collect(diag); });
  OwningOpRef<ModuleOp> module = load();
  if (!module || diags.hasErrors()) {
    if (!diags.hasErrors())
      diags.error(502, options.input, "the file cannot be read as MLIR");
    return;
  }
  if (!checkStage(*module) || !chooseLayers(*module))
    return;
  const DeviceTarget *device = findDeviceTarget(options.pipeline.target);
  if (device && getStage(*module) < findStage("kernels") && !checkDevice(*module, *device))
    return;
  warnOfLateOptions(*module);
  if (!runStages(*module))
    return;
  if (options.emit == "schedule") {
    report(*module);
    return;
  }
  if (!StringRef(options.emit).starts_with("mlir:")) {
    generate(*module);
    return;
  }
  llvm::raw_string_ostream stream(output);
  module->print(stream);
  stream << "\n";
}

bool Compilation::run() {
  const DeviceTarget *device = findDeviceTarget(options.pipeline.target);
  const CpuTarget *target = device ? nullptr : findCpuTarget(options.pipeline.target);
  if (!device && !target) {
    diags.error(504, "", explainMissingTarget(options.pipeline.target),
                "targets: host, " + llvm::join(allCpuTargets(), ", ") +
                    "; sizes may follow, as in 'host:row-tile=3' (docs/cost-model.md); GPUs: " +
                    llvm::join(allDeviceTargets(), ", "));
    return false;
  }
  if (!checkOutput(device))
    return false;
  askedTarget = options.pipeline.target;
  if (target)
    options.pipeline.target = target->name;
  if (std::optional<std::string> crash = runGuarded([this] { compile(); }))
    reportCrash(*crash);
  return !diags.hasErrors();
}

//===----------------------------------------------------------------------===//
// Faults of our own
//===----------------------------------------------------------------------===//

std::string Compilation::describeReproducer(const std::string &reason) {
  Reproducer reproducer;
  reproducer.reason = reason;
  reproducer.folder = options.reproducerFolder;
  bool isFirst = kept && getStage(*kept) == inputStage;
  if (kept) {
    auto passes = PassManager::on<ModuleOp>(context.get());
    addPasses(passes, getStage(*kept) + 1, isFirst);
    std::string pipeline;
    llvm::raw_string_ostream stream(pipeline);
    passes.printAsTextualPipeline(stream);
    reproducer.program = printForReproducer(*kept, pipeline);
  }
  const PipelineOptions &pipeline = options.pipeline;
  reproducer.commandStart = "lathe compile ";
  reproducer.commandEnd = " --target " + pipeline.target + " --precision " + pipeline.precision +
                          " --kv-type " + pipeline.kvType;
  if (isFirst && !options.passes.empty())
    reproducer.commandEnd += " --passes '" + options.passes + "'";
  if (isFirst && !options.layers.empty())
    reproducer.commandEnd += " --layers " + options.layers;
  if (isFirst && !options.skip.empty())
    reproducer.commandEnd += " --skip " + options.skip;
  if (options.verifyEachPass)
    reproducer.commandEnd += " --verify-each-pass";
  if (!options.emit.empty())
    reproducer.commandEnd += " --emit " + options.emit;
  reproducer.commandEnd += " -o replay.so";
  return writeReproducer(reproducer);
}

bool Compilation::reportFault(unsigned number, const std::string &reason) {
  // Kernels that were read from a file are the user's.
  if (diags.hasErrors() && inputStage == static_cast<int>(allStages().size()) - 1)
    return false;
  Diagnostics before = std::exchange(diags, {});
  diags.error(number, options.input, reason + ": a fault of lathe itself",
              describeReproducer(reason));
  diags.append(before);
  return false;
}

void Compilation::reportCrash(const std::string &reason) {
  // What was told before the crash counts for less than the crash.
  Diagnostics before = std::exchange(diags, {});
  std::string hint = "please report it with the command and the file that was read";
  runAfterCrash([&] { hint = describeReproducer("crash: " + reason); });
  diags.error(903, options.input, "the compiler crashed, " + reason + ": a fault of lathe itself",
              hint);
  diags.append(before);
  // Nobody knows what state these are in.
  (void)kept.release();
  (void)context.release();
}

//===----------------------------------------------------------------------===//
// Using what was made
//===----------------------------------------------------------------------===//

void *Compilation::lookup(StringRef symbol) {
  void *address = nullptr;
  auto find = [&] {
    if (!loaded) {
      llvm::Expected<std::unique_ptr<LoadedObject>> object = LoadedObject::create(output);
      if (!object) {
        reportFault(902, llvm::toString(object.takeError()));
        return;
      }
      loaded = std::move(*object);
    }
    address = loaded->lookup(symbol);
  };
  if (std::optional<std::string> crash = runGuarded(find))
    reportCrash(*crash);
  return address;
}

bool Compilation::writeLibrary(StringRef path) {
  llvm::Error error = linkLibrary(output, path);
  if (!error)
    return true;
  diags.error(505, options.input, llvm::toString(std::move(error)));
  return false;
}
