//===- WarpgroupOps.cpp - Products of four warps (wgmma) -------------------===//

#include "compiler/cuemu/WarpgroupOps.h"

#include "compiler/cuemu/Machine.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

using namespace lathe::cuemu;

static constexpr uint32_t WordsOfA = 4, Depth = 16, Rows = 16;

//===----------------------------------------------------------------------===//
// Names of sums
//===----------------------------------------------------------------------===//

/// A signalling NaN, which no arithmetic gives: 15 bits of the product's number, which is not 0,
/// and 7 of the register's.
static constexpr uint32_t NameBits = 0x7f800000, NumberBits = 15, RegisterBits = 7;
static constexpr uint32_t PayloadBits = (1u << (NumberBits + RegisterBits)) - 1;

static uint32_t nameOf(uint32_t product, uint32_t index) {
  return NameBits | (product % (1u << NumberBits)) << RegisterBits | index;
}

static bool isName(uint32_t word) {
  return (word & ~PayloadBits) == NameBits && (word & PayloadBits) != 0;
}

static uint32_t productOf(uint32_t name) { return (name & PayloadBits) >> RegisterBits; }

/// Of the product with so many ahead of it: numbers begin with 1 and come again.
static uint32_t numberOf(uint64_t index) { return index % ((1u << NumberBits) - 1) + 1; }

/// The product that `count` words of all lanes name, 0 when none is a name, or what is wrong.
static std::string findSource(const WarpLanes &lanes, uint32_t first, uint32_t count,
                              uint32_t &product) {
  product = isName(lanes.operands[0][first]) ? productOf(lanes.operands[0][first]) : 0;
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    for (uint32_t i = 0; i < count; ++i) {
      uint32_t word = lanes.operands[lane][first + i];
      bool fits = product == 0 ? !isName(word) : word == nameOf(product, i);
      if (!fits)
        return "sums that are still on their way are used in another place";
    }
  return {};
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

std::string WarpProducts::readSums(const WarpLanes &lanes, Product &product) {
  constexpr uint32_t first = WordsOfA + 2;
  uint32_t count = product.columns / 2;
  if (std::string wrong = findSource(lanes, first, count, product.source); !wrong.empty())
    return wrong;
  auto isSource = [&](const Product &other) { return other.number == product.source; };
  if (product.source != 0)
    return done.count(product.source) || std::any_of(open.begin(), open.end(), isSource)
               ? ""
               : "a product adds to sums that went elsewhere";
  product.sums.resize(size_t(WarpThreads) * count);
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    for (uint32_t i = 0; i < count; ++i)
      product.sums[lane * count + i] = std::bit_cast<float>(lanes.operands[lane][first + i]);
  return {};
}

std::string WarpProducts::issue(const WarpLanes &lanes) {
  constexpr uint64_t fields = 0x3fff, swizzle = uint64_t(3) << 62;
  if (!fenced)
    return "a product of a warpgroup without wgmma.fence ahead of its group";
  Product product{};
  product.columns = lanes.detail;
  product.number = numberOf(count++);
  product.group = openGroup;
  uint64_t descriptor = 0;
  for (uint32_t lane = 0; lane < WarpThreads; ++lane) {
    uint64_t own;
    std::copy_n(lanes.operands[lane], WordsOfA, product.a[lane]);
    std::memcpy(&own, lanes.operands[lane] + WordsOfA, sizeof(own));
    if (lane != 0 && own != descriptor)
      return "lanes of a warp take part in products with different descriptors";
    descriptor = own;
  }
  if (descriptor & swizzle)
    return "the emulator does not know operands in shared memory that are swizzled";
  product.b = Machine::current()->sharedAt((descriptor & fields) * 16);
  product.leading = (descriptor >> 16 & fields) * 16;
  product.stride = (descriptor >> 32 & fields) * 16;
  if (std::string wrong = readSums(lanes, product); !wrong.empty())
    return wrong;
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    for (uint32_t i = 0; i < product.columns / 2; ++i)
      lanes.results[lane][i] = nameOf(product.number, i);
  Machine::current()->beginProduct(product);
  open.push_back(std::move(product));
  return {};
}

static float toFloat(uint32_t bits) { return std::bit_cast<float>(bits << 16); }

/// k after k, as multiplyBF16 does.
void WarpProducts::compute(Product &product) {
  uint32_t columns = product.columns, count = columns / 2;
  if (product.source != 0)
    product.sums = std::move(done.extract(product.source).mapped());
  std::vector<float> b(Depth * columns);
  for (uint32_t column = 0; column < columns; ++column)
    for (uint32_t half = 0; half < 2; ++half) {
      uint16_t bits[8];
      std::memcpy(bits, product.rowOf(half, column), sizeof(bits));
      for (uint32_t i = 0; i < 8; ++i)
        b[(8 * half + i) * columns + column] = toFloat(bits[i]);
    }
  float a[Rows][Depth];
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    for (uint32_t word = 0; word < WordsOfA; ++word)
      for (uint32_t i = 0; i < 2; ++i)
        a[lane / 4 + word % 2 * 8][lane % 4 * 2 + i + word / 2 * 8] =
            toFloat(product.a[lane][word] >> 16 * i & 0xffff);
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    for (uint32_t i = 0; i < count; ++i) {
      float &sum = product.sums[lane * count + i];
      const float *row = a[lane / 4 + i % 4 / 2 * 8];
      uint32_t column = i / 4 * 8 + lane % 4 * 2 + i % 2;
      for (uint32_t k = 0; k < Depth; ++k)
        sum += row[k] * b[k * columns + column];
    }
  done[product.number] = std::move(product.sums);
}

void WarpProducts::closeGroup() {
  ++openGroup;
  fenced = false;
}

void WarpProducts::wait(uint32_t groupsLeft) {
  auto isDone = [&](const Product &product) { return product.group + groupsLeft < openGroup; };
  for (Product &product : open)
    if (isDone(product)) {
      compute(product);
      Machine::current()->endProduct(product);
    }
  std::erase_if(open, isDone);
}

std::string WarpProducts::resolve(const WarpLanes &lanes, uint32_t words) {
  std::set<uint32_t> used;
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    for (uint32_t i = 0; i < words; ++i) {
      uint32_t word = lanes.operands[lane][i];
      lanes.results[lane][i] = word;
      if (!isName(word))
        continue;
      auto found = done.find(productOf(word));
      if (found == done.end())
        return "sums are used ahead of the wait for their group";
      uint32_t index = word % (1u << RegisterBits);
      size_t own = found->second.size() / WarpThreads;
      lanes.results[lane][i] = std::bit_cast<uint32_t>(found->second[lane * own + index]);
      used.insert(found->first);
    }
  for (uint32_t product : used)
    done.erase(product);
  return {};
}

//===----------------------------------------------------------------------===//
// Operations of a warp
//===----------------------------------------------------------------------===//

static void failOn(std::string wrong) {
  if (!wrong.empty())
    Machine::current()->fail(std::move(wrong));
}

void lathe::cuemu::multiplyWarpgroup(const WarpLanes &lanes) {
  failOn(Machine::current()->products().issue(lanes));
}

void lathe::cuemu::fenceWarpgroup(const WarpLanes &) { Machine::current()->products().fence(); }

void lathe::cuemu::closeWarpgroupProducts(const WarpLanes &) {
  Machine::current()->products().closeGroup();
}

void lathe::cuemu::waitForWarpgroupProducts(const WarpLanes &lanes) {
  Machine::current()->products().wait(lanes.detail);
}

void lathe::cuemu::finishWarpgroupSums(const WarpLanes &lanes) {
  WarpProducts &products = Machine::current()->products();
  products.wait(lanes.detail >> 16);
  failOn(products.resolve(lanes, lanes.detail & 0xffff));
}
