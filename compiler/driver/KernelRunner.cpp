//===- KernelRunner.cpp - Runs the kernels of a module in process ----------===//

#include "compiler/driver/KernelRunner.h"

#include "compiler/driver/Codegen.h"
#include "compiler/reference/RandomInputs.h"
#include "compiler/target/cpu/KVLayout.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"

#include <atomic>
#include <cstring>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// What is called
//===----------------------------------------------------------------------===//

KernelFacts::KernelFacts(ModuleOp module) {
  for (auto program : module.getOps<step::ProgramOp>()) {
    entries.push_back({program.getSymName().str(), int64_t(program.getMaxRows()),
                       int64_t(program.getArena().value_or(0))});
    vocabulary = cast<step::BufferType>(program.getLogits().getType()).getShape()[1];
    isEncoder = program.isEncoder();
    if (!isEncoder)
      bytesPerPosition = std::max(bytesPerPosition, slabBytesPerPosition(program));
  }
  llvm::sort(entries, [](const Entry &a, const Entry &b) { return a.maxRows < b.maxRows; });
  int64_t smallest = std::numeric_limits<int32_t>::max();
  module.walk([&](ir::EmbedOp op) {
    smallest = std::min(smallest, cast<RankedTensorType>(op.getTable().getType()).getDimSize(0));
  });
  tokens = smallest;
  module.walk([&](step::LayersOp op) { layers = std::max<int64_t>(layers, op.getCount()); });
  widths = ir::findLayerWidths(module, layers);
  module.walk([&](ir::EmbedPositionOp op) {
    positions = std::min(positions, ir::dimOf(op.getTable(), 0));
  });
}

/// The confidence at which no stack is left; its negative is reached always.
static constexpr float never = std::numeric_limits<float>::infinity();

namespace {
struct StepPlan {
  int64_t rows;
  bool largestEntry, wantsLogits;
};
} // namespace

/// The first chunk crosses the 256 positions at which attention splits its sums.
static constexpr StepPlan stepPlans[] = {
    {360, false, true}, {1, false, true}, {1, false, true}, {5, false, false},
    {1, true, true},    {3, false, true}, {1, false, true}, {7, true, true},
};

/// Three of four rows go on with sequence 0; single rows take turns.
static KernelStep makeStep(const KernelFacts::Entry &entry, int64_t rows, int64_t number,
                           MutableArrayRef<int32_t> lengths) {
  KernelStep step;
  step.entry = entry.name;
  int64_t first = rows == 1 ? number % 2 : (3 * rows + 3) / 4;
  for (int64_t row = 0; row < rows; ++row) {
    int32_t sequence = row < first ? 0 : 1;
    step.sequences.push_back(sequence);
    step.positions.push_back(lengths[sequence]++);
  }
  return step;
}

/// Some steps of whole texts: 17 rows and 36 are no multiples of what vectors hold.
static std::vector<KernelStep> makeTextSteps(const KernelFacts &facts, Random random) {
  std::vector<KernelStep> steps;
  const KernelFacts::Entry &entry = facts.entries.back();
  for (std::vector<int64_t> lengths : {std::vector<int64_t>{36, 1, 17, 16}, {1}, {70}, {5, 3}}) {
    KernelStep &step = steps.emplace_back();
    step.entry = entry.name;
    step.layerRuns.assign(facts.layers, 1);
    step.exitAt.assign(facts.layers, never);
    step.widths = drawWidths(facts.widths, random);
    for (auto [number, wanted] : llvm::enumerate(lengths)) {
      int64_t room = entry.maxRows - static_cast<int64_t>(step.tokens.size());
      int64_t length = std::min({wanted, facts.positions, room});
      for (int64_t position = 0; position < length; ++position) {
        step.tokens.push_back(random.draw(0, facts.tokens - 1));
        step.positions.push_back(position);
        step.sequences.push_back(number);
        if (position + 1 == length || random.chance(10))
          step.logitsRows.push_back(step.tokens.size() - 1);
      }
    }
  }
  return steps;
}

std::vector<KernelStep> lathe::compiler::makeKernelSteps(const KernelFacts &facts, Random random) {
  if (facts.isEncoder)
    return makeTextSteps(facts, random);
  std::vector<KernelStep> steps;
  int32_t lengths[KernelFacts::sequences] = {};
  for (auto [number, plan] : llvm::enumerate(stepPlans)) {
    int64_t wanted = plan.rows;
    auto takes = [&](const KernelFacts::Entry &entry) { return entry.maxRows >= wanted; };
    auto found = llvm::find_if(facts.entries, takes);
    const KernelFacts::Entry &entry =
        plan.largestEntry || found == facts.entries.end() ? facts.entries.back() : *found;
    KernelStep step = makeStep(entry, std::min(wanted, entry.maxRows), number, lengths);
    int32_t rows = step.positions.size();
    for (int32_t row = 0; row < rows; ++row) {
      step.tokens.push_back(random.draw(0, facts.tokens - 1));
      bool isLast = row + 1 == rows || step.sequences[row] != step.sequences[row + 1];
      if (plan.wantsLogits && (isLast || random.chance(10)))
        step.logitsRows.push_back(row);
    }
    step.layerRuns.assign(facts.layers, 1);
    if (number % 2 != 0 && facts.layers > 1)
      for (int32_t &runs : MutableArrayRef(step.layerRuns).drop_front())
        runs = !random.chance(25);
    step.exitAt.assign(facts.layers, never);
    if (entry.maxRows == 1)
      for (float &wanted : step.exitAt)
        wanted = random.chance(25) ? -never : never;
    step.widths = drawWidths(facts.widths, random);
    steps.push_back(std::move(step));
  }
  return steps;
}

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

static llvm::Error makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

static llvm::Expected<std::string> compileObject(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>("lathe.target");
  const CpuTarget *target = name ? findCpuTarget(name.getValue()) : nullptr;
  if (!target)
    return makeError("the module names no known CPU target");
  llvm::Expected<std::unique_ptr<Codegen>> codegen = Codegen::create(*target);
  if (!codegen)
    return codegen.takeError();
  OwningOpRef<ModuleOp> copy(module.clone());
  if (llvm::Error error = (*codegen)->lower(*copy))
    return error;
  return (*codegen)->emit(llvm::CodeGenFileType::ObjectFile);
}

/// The scratch memory that the manifest asks for is known to the emitters alone.
llvm::Error KernelRunner::readManifest(StringRef text) {
  auto manifest = llvm::json::parse(text);
  if (!manifest)
    return manifest.takeError();
  auto *root = manifest->getAsObject();
  auto *entries = root ? root->getArray("entries") : nullptr;
  if (!entries)
    return makeError("the manifest of the kernels names no entries");
  for (llvm::json::Value &entry : *entries)
    if (auto *fields = entry.getAsObject()) {
      scratchStride = std::max(scratchStride, fields->getInteger("scratch_bytes").value_or(0));
      greatest[fields->getString("name").value_or("")] =
          fields->getInteger("greatest_logits").value_or(0);
    }
  scratchStride = llvm::alignTo(scratchStride, CacheLineBytes);
  return llvm::Error::success();
}

bool KernelRunner::hasEntry(StringRef name) {
  if (kernels)
    return kernels->hasEntry(name);
  return object->lookup(("lathe_entry_" + name).str()) != nullptr;
}

llvm::Error KernelRunner::load(ModuleOp module) {
  auto manifest = module.lookupSymbol<LLVM::GlobalOp>("lathe_manifest");
  if (!manifest)
    return makeError("the kernels have no manifest");
  auto target = module->getAttrOfType<StringAttr>("lathe.target");
  if (const DeviceTarget *device = target ? findDeviceTarget(target.getValue()) : nullptr) {
    auto loaded = device->load(module);
    if (!loaded)
      return loaded.takeError();
    kernels = std::move(*loaded);
  } else {
    llvm::Expected<std::string> code = compileObject(module);
    if (!code)
      return code.takeError();
    auto loaded = LoadedObject::create(*code);
    if (!loaded)
      return loaded.takeError();
    object = std::move(*loaded);
  }
  for (const KernelFacts::Entry &entry : facts.entries)
    if (!hasEntry(entry.name))
      return makeError("the kernels have no entry for the program @" + entry.name);
  return readManifest(cast<StringAttr>(manifest.getValueAttr()).getValue());
}

std::unique_ptr<KernelRunner> KernelRunner::create(ModuleOp module, const KernelFacts &facts) {
  std::unique_ptr<KernelRunner> runner(new KernelRunner(facts));
  llvm::Error error = runner->load(module);
  if (!error)
    return runner;
  module.emitError() << "the kernels cannot be verified: " << llvm::toString(std::move(error));
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

bool KernelRunner::allocate(unsigned workers) {
  int64_t arenaBytes = 0;
  for (const KernelFacts::Entry &entry : facts.entries)
    arenaBytes = std::max(arenaBytes, entry.arenaBytes);
  slabBytes = llvm::alignTo(KernelFacts::capacity * facts.bytesPerPosition, CacheLineBytes);
  std::pair<MappedMemory *, int64_t> wanted[] = {{&arena, arenaBytes},
                                                 {&scratch, scratchStride * workers},
                                                 {&cache, slabBytes * KernelFacts::sequences}};
  for (auto [memory, bytes] : wanted) {
    std::optional<MappedMemory> fresh = MappedMemory::allocate(bytes);
    if (!fresh)
      return false;
    *memory = std::move(*fresh);
  }
  return true;
}

/// Bytes of ones are NaN in every float format.
static void poison(MappedMemory &memory) {
  if (memory.size() != 0)
    std::memset(memory.data(), 0xff, memory.size());
}

/// Whether what a device found are the greatest of the logits that it gave.
llvm::Error KernelRunner::checkGreatest(const lathe_step_args &args) const {
  for (int64_t row = 0; row < args.logits_rows; ++row) {
    llvm::ArrayRef logits(args.logits + row * facts.vocabulary, facts.vocabulary);
    auto tokens = llvm::to_vector(llvm::seq<int32_t>(0, logits.size()));
    llvm::sort(tokens, [&](int32_t a, int32_t b) {
      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
    });
    for (int64_t i = 0; i < args.wanted_logits; ++i) {
      lathe_logit found = args.greatest[row * args.wanted_logits + i];
      if (found.token != tokens[i] || found.logit != logits[tokens[i]])
        return makeError("number " + llvm::Twine(i) + " of the greatest logits of row " +
                         llvm::Twine(row) + " is told to be that of token " +
                         llvm::Twine(found.token) + ", expected " + llvm::Twine(tokens[i]));
    }
  }
  return llvm::Error::success();
}

/// Beside the logits the greatest of them are asked for: one alone, and as many as there may
/// be, as they are found in different ways.
llvm::Error KernelRunner::callDevice(const KernelStep &step, lathe_step_args &args,
                                     int64_t blocks) {
  int64_t most = greatest.lookup(step.entry);
  args.wanted_logits = calls++ % 2 == 0 ? most : std::min<int64_t>(most, 1);
  std::vector<lathe_logit> found(args.logits_rows * args.wanted_logits,
                                 {std::numeric_limits<float>::quiet_NaN(), -1});
  args.greatest = found.data();
  if (llvm::Error error = kernels->run(step.entry, args, blocks))
    return error;
  return checkGreatest(args);
}

llvm::Error KernelRunner::call(const KernelStep &step, lathe_step_args &args, WorkerPool &pool) {
  poison(arena);
  poison(scratch);
  args.rows = step.tokens.size();
  args.token = step.tokens.data();
  args.position = step.positions.data();
  args.sequence = step.sequences.data();
  args.logits_rows = step.logitsRows.size();
  args.logits_row = step.logitsRows.data();
  args.wanted_logits = step.wantedLogits;
  args.layer_runs = step.layerRuns.data();
  args.exit_at = step.exitAt.data();
  args.widths = step.widths.data();
  int64_t exitLayer;
  args.exit_layer = &exitLayer;
  if (kernels)
    return callDevice(step, args, pool.workers());
  auto entry = reinterpret_cast<lathe_entry>(object->lookup("lathe_entry_" + step.entry));
  std::atomic<int32_t> status = 0;
  pool.run([&](int64_t worker, int64_t workers) {
    if (int32_t own = entry(&args, worker, workers))
      status = own;
  });
  if (status == 0)
    return llvm::Error::success();
  return makeError("status " + llvm::Twine(status.load()) + ", expected 0");
}

FailureOr<std::vector<ReferenceArray>> KernelRunner::run(Location loc, ArrayRef<KernelStep> steps,
                                                         const uint8_t *const *weights,
                                                         unsigned workers) {
  Diagnostics diags;
  std::unique_ptr<WorkerPool> pool = WorkerPool::create(workers, diags);
  if (!pool || !allocate(workers))
    return emitError(loc) << "no memory or threads to verify the kernels with";
  lathe_step_args args = {};
  args.arena = arena.data();
  args.scratch = scratch.data();
  args.scratch_stride = scratchStride;
  args.weights = weights;
  args.kv = cache.data();
  args.kv_slab_bytes = slabBytes;
  args.kv_capacity = KernelFacts::capacity;
  args.barrier = &WorkerPool::barrierCallback;
  args.barrier_context = pool.get();
  reports.assign(workers, {});
  args.head_report = reinterpret_cast<int64_t *>(reports.data());
  std::vector<ReferenceArray> results;
  for (const KernelStep &step : steps) {
    int64_t rows = step.logitsRows.size();
    std::vector<float> logits(rows * facts.vocabulary, std::numeric_limits<float>::quiet_NaN());
    args.logits = logits.data();
    if (llvm::Error error = call(step, args, *pool))
      return emitError(loc) << "entry @" << step.entry
                            << " failed: " << llvm::toString(std::move(error));
    results.push_back({{rows, facts.vocabulary}, std::move(logits)});
  }
  return results;
}
