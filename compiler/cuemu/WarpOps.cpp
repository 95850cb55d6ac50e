//===- WarpOps.cpp - What the lanes of a warp compute together -------------===//

#include "compiler/cuemu/WarpOps.h"

#include <bit>

using namespace lathe::cuemu;

void lathe::cuemu::syncWarp(const WarpLanes &) {}

void lathe::cuemu::shuffleWords(const WarpLanes &lanes) {
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    *lanes.results[lane] = *lanes.operands[lane ^ lanes.detail];
}

void lathe::cuemu::broadcastWord(const WarpLanes &lanes) {
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    *lanes.results[lane] = *lanes.operands[lanes.detail % WarpThreads];
}

namespace {

constexpr uint32_t Rows = 16, Columns = 8;

/// A fragment has a row or a column for each group of four lanes.
constexpr uint32_t groupOf(uint32_t lane) { return lane / 4; }
constexpr uint32_t memberOf(uint32_t lane) { return lane % 4; }

/// Calls use(register, word index in k, row offset) for the words of A that a lane has: rows
/// first, then halves of k.
template <uint32_t Halves, typename Use> void forWordsOfA(Use use) {
  for (uint32_t half = 0; half < Halves; ++half)
    for (uint32_t row = 0; row < 2; ++row)
      use(2 * half + row, 4 * half, 8 * row);
}

} // namespace

/// `Halves` words of four bytes for each row: 32 k, or 16.
template <uint32_t Halves> static void multiplyBytes(const WarpLanes &lanes) {
  constexpr uint32_t words = 4 * Halves, depth = 4 * words;
  int8_t a[Rows][depth], b[Columns][depth];
  auto put = [](int8_t *row, uint32_t word, uint32_t bits) {
    for (uint32_t i = 0; i < 4; ++i)
      row[4 * word + i] = static_cast<int8_t>(bits >> 8 * i);
  };
  for (uint32_t lane = 0; lane < WarpThreads; ++lane) {
    const uint32_t *own = lanes.operands[lane];
    uint32_t group = groupOf(lane), member = memberOf(lane);
    forWordsOfA<Halves>([&](uint32_t index, uint32_t word, uint32_t row) {
      put(a[group + row], word + member, own[index]);
    });
    for (uint32_t half = 0; half < Halves; ++half)
      put(b[group], 4 * half + member, own[2 * Halves + half]);
  }
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      const int8_t *row = a[groupOf(lane) + 8 * (i / 2)];
      const int8_t *column = b[2 * memberOf(lane) + i % 2];
      int32_t sum = 0;
      for (uint32_t k = 0; k < depth; ++k)
        sum += row[k] * column[k];
      lanes.results[lane][i] = lanes.operands[lane][3 * Halves + i] + static_cast<uint32_t>(sum);
    }
}

void lathe::cuemu::multiplyBytes32(const WarpLanes &lanes) { multiplyBytes<2>(lanes); }
void lathe::cuemu::multiplyBytes16(const WarpLanes &lanes) { multiplyBytes<1>(lanes); }

void lathe::cuemu::multiplyBF16(const WarpLanes &lanes) {
  constexpr uint32_t depth = 16;
  float a[Rows][depth], b[depth][Columns], sums[Rows][Columns];
  auto low = [](uint32_t bits) { return std::bit_cast<float>(bits << 16); };
  auto high = [](uint32_t bits) { return std::bit_cast<float>(bits & 0xffff0000); };
  for (uint32_t lane = 0; lane < WarpThreads; ++lane) {
    const uint32_t *own = lanes.operands[lane];
    uint32_t group = groupOf(lane), member = memberOf(lane);
    forWordsOfA<2>([&](uint32_t index, uint32_t word, uint32_t row) {
      a[group + row][2 * (word + member)] = low(own[index]);
      a[group + row][2 * (word + member) + 1] = high(own[index]);
    });
    for (uint32_t half = 0; half < 2; ++half) {
      b[2 * (4 * half + member)][group] = low(own[4 + half]);
      b[2 * (4 * half + member) + 1][group] = high(own[4 + half]);
    }
    for (uint32_t i = 0; i < 4; ++i)
      sums[group + 8 * (i / 2)][2 * member + i % 2] = std::bit_cast<float>(own[6 + i]);
  }
  for (uint32_t row = 0; row < Rows; ++row)
    for (uint32_t k = 0; k < depth; ++k)
      for (uint32_t column = 0; column < Columns; ++column)
        sums[row][column] += a[row][k] * b[k][column];
  for (uint32_t lane = 0; lane < WarpThreads; ++lane)
    for (uint32_t i = 0; i < 4; ++i)
      lanes.results[lane][i] =
          std::bit_cast<uint32_t>(sums[groupOf(lane) + 8 * (i / 2)][2 * memberOf(lane) + i % 2]);
}
