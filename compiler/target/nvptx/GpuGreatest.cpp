//===- GpuGreatest.cpp - The greatest logits of a step ---------------------===//

#include "compiler/target/nvptx/GpuGreatest.h"

#include "compiler/target/cpu/HeadScan.h"

#include "lathe/abi.h"
#include "lathe/device_abi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/MathExtras.h"

#include <cstddef>
#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Entries for more rows are for prompts, of which one row wants logits, once.
static constexpr int64_t MostRows = 8;
/// Logits of a part that a thread looks at, at most: what may be found has to fit into
/// shared memory.
static constexpr int64_t MostElements = 64;
static constexpr int64_t KeyBytes = 8;
/// Ahead of the list: a key and a count of each thread, and a key.
static constexpr int64_t ListOffset = 2 * BlockThreads * KeyBytes + 16;

GpuGreatest::GpuGreatest(step::ProgramOp program)
    : vocabulary(cast<step::BufferType>(program.getLogits().getType()).getRowElements()),
      rows(program.getMaxRows()), mostWanted(std::min(MostWantedLogits, vocabulary)),
      elements(llvm::divideCeil(vocabulary, BlockThreads * BlockThreads)),
      parts(llvm::divideCeil(vocabulary, BlockThreads * elements)) {
  if (rows > MostRows || elements > MostElements || program.isEncoder() || program.isFunction())
    mostWanted = 0;
}

int64_t GpuGreatest::sharedBytes() const {
  return mostWanted ? ListOffset + mostWanted * std::max(elements, mostWanted) * KeyBytes : 0;
}

int64_t GpuGreatest::scratchBytes() const { return rows * parts * mostWanted * KeyBytes; }

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

/// No logit's.
static constexpr int64_t NoKey = std::numeric_limits<int64_t>::min();
static constexpr int64_t TokenMask = 0xffffffff;

/// An i64 that is greater where a sampler would rather take the token: for the logit, and
/// where two are equal for the number of the token.  What no sampler takes, a NaN or
/// +infinity, is ahead of all, so that it is found and told.
static Value emitKey(GpuBuilder &k, Value logit, Value token) {
  OpBuilder &b = k.builder();
  constexpr int64_t magnitude = 0x7fffffff, infinity = 0x7f800000;
  // Of two zeros neither is the greater.
  Value bits =
      arith::BitcastOp::create(b, k.getLoc(), k.i32(), k.addf(logit, k.floatConstant(0.0f)));
  Value sign = arith::ShRSIOp::create(b, k.getLoc(), bits, k.integer(31));
  Value order = arith::XOrIOp::create(b, k.getLoc(), bits, k.mask(sign, magnitude));
  Value isEnd = arith::CmpIOp::create(b, k.getLoc(), arith::CmpIPredicate::sge,
                                      k.mask(bits, magnitude), k.integer(infinity));
  Value isLowest = k.compare(arith::CmpFPredicate::OEQ, logit,
                             k.floatConstant(-std::numeric_limits<float>::infinity()));
  Value isBad = k.select(isLowest, arith::ConstantIntOp::create(b, k.getLoc(), 0, 1), isEnd);
  order = k.widen(k.select(isBad, k.integer(magnitude), order));
  order = arith::ShLIOp::create(b, k.getLoc(), order, k.constant(32));
  return arith::OrIOp::create(b, k.getLoc(), order, k.sub(k.constant(TokenMask), token));
}

static Value emitToken(GpuBuilder &k, Value key) {
  Value low = arith::AndIOp::create(k.builder(), k.getLoc(), key, k.constant(TokenMask));
  return k.sub(k.constant(TokenMask), low);
}

/// The greatest of 32 lanes, which all get.
static Value emitWarpMaximum(GpuBuilder &k, Value key) {
  OpBuilder &b = k.builder();
  for (int64_t mask = WarpThreads / 2; mask > 0; mask /= 2) {
    Value high = arith::ShRUIOp::create(b, k.getLoc(), key, k.constant(32));
    high = arith::ExtUIOp::create(b, k.getLoc(), k.i64(), k.shuffleXor(k.narrow(high), mask));
    Value low = k.shuffleXor(k.narrow(key), mask);
    low = arith::ExtUIOp::create(b, k.getLoc(), k.i64(), low);
    high = arith::ShLIOp::create(b, k.getLoc(), high, k.constant(32));
    key = k.max(key, arith::OrIOp::create(b, k.getLoc(), high, low));
  }
  return key;
}

//===----------------------------------------------------------------------===//
// A block's greatest
//===----------------------------------------------------------------------===//

namespace {

/// Finds the greatest of keys of which each thread of the block has as many as another.
/// All threads run it alike.
class KeySelection {
public:
  using Load = llvm::function_ref<Value(Value)>;
  using Store = llvm::function_ref<void(Value, Value)>;

  KeySelection(GpuBuilder &k, Value thread, Value wanted, Value shared)
      : k(k), thread(thread), wanted(wanted), heads(shared),
        counts(k.at(shared, BlockThreads * KeyBytes)),
        limit(k.at(shared, 2 * BlockThreads * KeyBytes)), list(k.at(shared, ListOffset)) {}

  /// `load` gives the thread's key of a number below `elements`, or none.  `store` gets places
  /// from 0 on and what belongs there, the greatest first, or none: each from one thread.
  void emit(Value elements, Load load, Store store);

private:
  void emitGreatest(Value own, Store store);
  void emitList(Value own, Value elements, Load load, Store store);
  Value emitLimit(Value own);
  Value collect(Value threshold, Value elements, Load load);
  Value loadKey(Value from, Value index) {
    return k.loadWide(k.i64(), k.at(from, k.mul(index, KeyBytes)), KeyBytes);
  }
  void storeKey(Value key, Value to, Value index) {
    k.storeWide(key, k.at(to, k.mul(index, KeyBytes)), KeyBytes);
  }
  Value oneIf(Value condition) { return k.select(condition, k.constant(1), k.constant(0)); }
  /// How many of the first `count` keys of `from` are greater than `key`.
  Value countGreater(Value from, Value count, Value key) {
    return k.forLoop(k.constant(0), count, 1, k.constant(0),
                     [&](Value i, ValueRange carried) -> SmallVector<Value> {
                       return {k.add(carried[0], oneIf(k.less(key, loadKey(from, i))))};
                     })[0];
  }
  /// Whether a key counts: none does not, be the threshold what it may.
  Value reaches(Value key, Value threshold) {
    Value atLeast =
        arith::CmpIOp::create(k.builder(), k.getLoc(), arith::CmpIPredicate::sge, key, threshold);
    return k.both(atLeast, k.less(k.constant(NoKey), key));
  }

  GpuBuilder &k;
  Value thread, wanted;
  Value heads;  ///< The greatest of each thread, or of each warp.
  Value counts; ///< i64: how many each thread has for the list.
  Value limit;  ///< No lesser key is wanted.
  Value list;   ///< All keys that reach it, thread by thread.
};

} // namespace

void KeySelection::emit(Value elements, Load load, Store store) {
  Value own = k.forLoop(k.constant(0), elements, 1, k.constant(NoKey),
                        [&](Value i, ValueRange carried) -> SmallVector<Value> {
                          return {k.max(carried[0], load(i))};
                        })[0];
  k.ifThenElse(
      k.equal(wanted, k.constant(1)), [&] { emitGreatest(own, store); },
      [&] { emitList(own, elements, load, store); });
  // What comes next may write at once.
  k.barrier();
}

void KeySelection::emitGreatest(Value own, Store store) {
  Value greatest = emitWarpMaximum(k, own);
  Value isFirst = k.equal(k.rem(thread, WarpThreads), k.constant(0));
  k.ifThen(isFirst, [&] { storeKey(greatest, heads, k.div(thread, WarpThreads)); });
  k.barrier();
  k.ifThen(k.equal(thread, k.constant(0)), [&] {
    Value all = greatest;
    for (int64_t warp = 1; warp < BlockWarps; ++warp)
      all = k.max(all, loadKey(heads, k.constant(warp)));
    store(k.constant(0), all);
  });
}

/// As many threads as keys are wanted have one that reaches this, or fewer have any.
Value KeySelection::emitLimit(Value own) {
  storeKey(own, heads, thread);
  k.ifThen(k.equal(thread, k.constant(0)),
           [&] { k.storeWide(k.constant(NoKey), limit, KeyBytes); });
  k.barrier();
  // Of no other thread's are equal to it, unless it is none.
  Value ahead = countGreater(heads, k.constant(BlockThreads), own);
  Value isLast =
      k.both(k.equal(ahead, k.sub(wanted, k.constant(1))), k.less(k.constant(NoKey), own));
  k.ifThen(isLast, [&] { k.storeWide(own, limit, KeyBytes); });
  k.barrier();
  return k.loadWide(k.i64(), limit, KeyBytes);
}

/// Makes the list; gives its length.
Value KeySelection::collect(Value threshold, Value elements, Load load) {
  Value count = k.forLoop(k.constant(0), elements, 1, k.constant(0),
                          [&](Value i, ValueRange carried) -> SmallVector<Value> {
                            return {k.add(carried[0], oneIf(reaches(load(i), threshold)))};
                          })[0];
  storeKey(count, counts, thread);
  k.barrier();
  Value inits[] = {k.constant(0), k.constant(0)};
  SmallVector<Value> sums =
      k.forLoop(k.constant(0), k.constant(BlockThreads), 1, inits,
                [&](Value i, ValueRange carried) -> SmallVector<Value> {
                  Value theirs = loadKey(counts, i);
                  Value before = k.select(k.less(i, thread), theirs, k.constant(0));
                  return {k.add(carried[0], before), k.add(carried[1], theirs)};
                });
  k.forLoop(k.constant(0), elements, 1, sums[0],
            [&](Value i, ValueRange carried) -> SmallVector<Value> {
              Value key = load(i), counts = reaches(key, threshold);
              k.ifThen(counts, [&] { storeKey(key, list, carried[0]); });
              return {k.add(carried[0], oneIf(counts))};
            });
  k.barrier();
  return sums[1];
}

void KeySelection::emitList(Value own, Value elements, Load load, Store store) {
  Value found = collect(emitLimit(own), elements, load);
  k.forLoop(thread, k.max(found, wanted), BlockThreads, [&](Value i) {
    k.ifThenElse(
        k.less(i, found),
        [&] {
          Value key = loadKey(list, i), place = countGreater(list, found, key);
          k.ifThen(k.less(place, wanted), [&] { store(place, key); });
        },
        [&] { store(i, k.constant(NoKey)); });
  });
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

namespace {

/// What both functions read of the step.
struct StepView {
  explicit StepView(GpuBuilder &k, func::FuncOp function)
      : args(k.fromGlobal(function.getArgument(0))), block(function.getArgument(1)),
        blocks(function.getArgument(2)), thread(k.specialRegister("tid.x")),
        wanted(number(k, offsetof(lathe_step_args, wanted_logits))),
        rows(number(k, offsetof(lathe_step_args, logits_rows))),
        logits(pointer(k, offsetof(lathe_step_args, logits))),
        greatest(pointer(k, offsetof(lathe_step_args, greatest))),
        keys(k.at(pointer(k, offsetof(lathe_step_args, scratch)), LATHE_DEVICE_ZERO_BYTES)),
        shared(emitSharedMemory(k, function->getParentOfType<ModuleOp>())) {}

  Value args, block, blocks, thread; ///< Numbers are i64.
  Value wanted, rows, logits, greatest;
  Value keys; ///< i64 [rows][parts][wanted], in scratch memory.
  Value shared;

private:
  Value number(GpuBuilder &k, int64_t offset) { return k.loadWide(k.i64(), k.at(args, offset), 8); }
  Value pointer(GpuBuilder &k, int64_t offset) { return k.loadPointer(k.at(args, offset)); }
};

} // namespace

void GpuGreatest::emitParts(func::FuncOp function) const {
  OpBuilder builder = OpBuilder::atBlockEnd(&function.getBody().front());
  GpuBuilder k(builder, function.getLoc());
  StepView step(k, function);
  KeySelection selection(k, step.thread, step.wanted, step.shared);
  k.forLoop(step.block, k.mul(step.rows, parts), step.blocks, [&](Value item) {
    Value row = k.div(item, parts);
    Value first = k.add(k.mul(k.rem(item, parts), BlockThreads * elements), step.thread);
    Value logits = k.at(step.logits, k.mul(row, vocabulary * 4));
    auto load = [&](Value number) {
      Value token = k.add(first, k.mul(number, BlockThreads));
      Value there = k.min(token, k.constant(vocabulary - 1));
      Value key = emitKey(k, k.loadWide(k.f32(), k.at(logits, k.mul(there, 4)), 4), there);
      return k.select(k.equal(token, there), key, k.constant(NoKey));
    };
    Value keys = k.at(step.keys, k.mul(k.mul(item, step.wanted), KeyBytes));
    selection.emit(k.constant(elements), load, [&](Value place, Value key) {
      k.storeWide(key, k.at(keys, k.mul(place, KeyBytes)), KeyBytes);
    });
  });
  func::ReturnOp::create(builder, function.getLoc());
}

void GpuGreatest::emitWhole(func::FuncOp function) const {
  OpBuilder builder = OpBuilder::atBlockEnd(&function.getBody().front());
  GpuBuilder k(builder, function.getLoc());
  StepView step(k, function);
  KeySelection selection(k, step.thread, step.wanted, step.shared);
  k.forLoop(step.block, step.rows, step.blocks, [&](Value row) {
    // A thread has the keys of a part.
    Value part = k.min(step.thread, k.constant(parts - 1));
    Value own = k.mul(k.add(k.mul(row, parts), part), step.wanted);
    Value keys = k.at(step.keys, k.mul(own, KeyBytes));
    auto load = [&](Value number) {
      Value key = k.loadWide(k.i64(), k.at(keys, k.mul(number, KeyBytes)), KeyBytes);
      return k.select(k.equal(part, step.thread), key, k.constant(NoKey));
    };
    Value logits = k.at(step.logits, k.mul(row, vocabulary * 4));
    Value results = k.at(step.greatest, k.mul(k.mul(row, step.wanted), sizeof(lathe_logit)));
    selection.emit(step.wanted, load, [&](Value place, Value key) {
      Value token = emitToken(k, key);
      Value logit = k.loadWide(k.f32(), k.at(logits, k.mul(token, 4)), 4);
      Value result = k.at(results, k.mul(place, sizeof(lathe_logit)));
      k.storeWide(logit, k.at(result, offsetof(lathe_logit, logit)), 4);
      k.storeWide(k.narrow(token), k.at(result, offsetof(lathe_logit, token)), 4);
    });
  });
  func::ReturnOp::create(builder, function.getLoc());
}
