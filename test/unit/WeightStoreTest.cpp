//===- WeightStoreTest.cpp - The packed weights of a program --------------===//

#include "runtime/weights/WeightStore.h"

#include "GGUFBuilder.h"
#include "fake/TemporaryFolder.h"
#include "runtime/support/Unaligned.h"
#include "runtime/weights/Packer.h"

#include <cstring>

#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::test;

namespace {

/// Rows, not a whole number of panels; 20 000 panels of f32 make two slices.
constexpr int64_t N = 100, K = 64, LongN = 20'000;

ManifestWeight matrix(const char *Symbol, const char *Format, int64_t Rows, int64_t First) {
  ManifestWeight Weight;
  Weight.Symbol = Symbol;
  Weight.Format = findBlockFormat(Format);
  Weight.Shape = {Rows, K};
  Weight.First = First;
  return Weight;
}

/// A norm, a q8_0 matrix in layers 0 and 3, and a long f32 matrix.
Manifest program() {
  Manifest Program;
  ManifestWeight Layered = matrix("blk.w", "q8_0", N, 1);
  Layered.Layered = true;
  Layered.Layers = {0, 3};
  Layered.Tensors = "blk.{}.w";
  ManifestWeight Norm = matrix("norm", "f32", 48, 0);
  Norm.Layout = WeightLayout::Vector;
  Norm.Shape = {48};
  Norm.Tensors = "norm";
  ManifestWeight Long = matrix("long", "f32", LongN, 3);
  Long.Tensors = "long";
  Program.Weights = {Layered, Norm, Long};
  Program.WeightTableSize = 4;
  return Program;
}

std::string fileBytes() {
  constexpr uint32_t F32 = 0, Q8_0 = 8;
  std::vector<uint8_t> Bytes = GGUFBuilder()
                                   .tensor({"long", {K, LongN}, F32, LongN * K * 4})
                                   .tensor({"blk.3.w", {K, N}, Q8_0, N * K / 32 * 34})
                                   .tensor({"blk.0.w", {K, N}, Q8_0, N * K / 32 * 34})
                                   .tensor({"norm", {48}, F32, 48 * 4})
                                   .build();
  // Any bytes make valid q8_0 and f32; small ones keep the floats finite.
  for (size_t I = 512; I < Bytes.size(); ++I)
    Bytes[I] = static_cast<uint8_t>((I * 2654435761u >> 13) & 0x3f);
  return {Bytes.begin(), Bytes.end()};
}

class WeightStoreTest : public testing::Test {
protected:
  void SetUp() override {
    Workers = WorkerPool::create(3, Diags);
    writeFile(Folder.path("model.gguf"), fileBytes());
    File = GGUFFile::open(Folder.path("model.gguf"), Diags);
    ASSERT_TRUE(Workers && File) << Diags.str();
  }

  void expectPacked(const uint8_t *Found, const char *Name) {
    const FileTensor &Tensor = *File->findTensor(Name);
    int64_t Rows = Tensor.Shape[0];
    std::vector<uint8_t> Expected(packedMatrixBytes(*Tensor.Format, Rows, K));
    packMatrix(*Tensor.Format, File->data(Tensor).data(), Rows, K, 0, panelCount(Rows),
               Expected.data());
    EXPECT_EQ(std::memcmp(Found, Expected.data(), Expected.size()), 0) << Name;
  }

  TemporaryFolder Folder;
  Diagnostics Diags;
  std::unique_ptr<WorkerPool> Workers;
  std::unique_ptr<GGUFFile> File;
};

TEST_F(WeightStoreTest, PacksEveryTensorInTableOrder) {
  for (SourcePages Pages : {SourcePages::Keep, SourcePages::Release}) {
    auto Store =
        WeightStore::create(*File, program(), *Workers, Pages, NonFiniteWeights::Error, Diags);
    ASSERT_TRUE(Store) << Diags.str();
    const uint8_t *const *Table = Store->table();
    for (int I = 0; I < 4; ++I)
      EXPECT_EQ(reinterpret_cast<uintptr_t>(Table[I]) % 64, 0u);
    const GGUFTensor &Norm = *File->findTensor("norm");
    EXPECT_EQ(std::memcmp(Table[0], File->data(Norm).data(), Norm.Bytes), 0);
    expectPacked(Table[1], "blk.0.w");
    expectPacked(Table[2], "blk.3.w");
    expectPacked(Table[3], "long");
  }
}

TEST_F(WeightStoreTest, TakesNoMoreThanThePackedBytes) {
  auto Store = WeightStore::create(*File, program(), *Workers, SourcePages::Release,
                                   NonFiniteWeights::Error, Diags);
  ASSERT_TRUE(Store) << Diags.str();
  uint64_t Layer = packedMatrixBytes(*findBlockFormat("q8_0"), N, K);
  EXPECT_EQ(Store->bytes(), 192 + 2 * Layer + LongN * K * 4);
}

TEST_F(WeightStoreTest, WeightsAreReadOnly) {
  auto Store = WeightStore::create(*File, program(), *Workers, SourcePages::Release,
                                   NonFiniteWeights::Error, Diags);
  ASSERT_TRUE(Store) << Diags.str();
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(*const_cast<volatile uint8_t *>(Store->table()[0]) = 1, "");
}

TEST_F(WeightStoreTest, VectorsMayBeAnyFloatInTheFile) {
  Manifest Other = program();
  Other.Weights[1].Format = findBlockFormat("f16");
  auto Store = WeightStore::create(*File, Other, *Workers, SourcePages::Keep,
                                   NonFiniteWeights::Error, Diags);
  ASSERT_TRUE(Store) << Diags.str();
  const GGUFTensor &Norm = *File->findTensor("norm");
  EXPECT_EQ(std::memcmp(Store->table()[0], File->data(Norm).data(), Norm.Bytes), 0);
}

TEST_F(WeightStoreTest, TellsEveryTensorThatDoesNotFit) {
  Manifest Other = program();
  Other.Weights[0].Tensors = "blk.{}.v";
  Other.Weights[1].Format = findBlockFormat("q8_0");
  Other.Weights[2].Shape = {LongN, 2 * K};
  EXPECT_FALSE(WeightStore::create(*File, Other, *Workers, SourcePages::Release,
                                   NonFiniteWeights::Error, Diags));
  ASSERT_EQ(Diags.errorCount(), 4u) << Diags.str();
  std::string Text = Diags.str();
  for (const char *Message :
       {"tensor 'blk.0.v': missing, expected q8_0 of 100 x 64", "tensor 'blk.3.v': missing",
        "tensor 'norm': found f32 of 48, expected q8_0 of 48",
        "tensor 'long': found f32 of 20000 x 64, expected f32 of 20000 x 128"})
    EXPECT_NE(Text.find(Message), std::string::npos) << Message << "\n" << Text;
  EXPECT_EQ(Diags.exitCode(), ExitCode::Malformed);
}

TEST_F(WeightStoreTest, TellsWhatIsNotFinite) {
  // The norm's third weight, and the scale of block 5 (row 2) of a q8_0 matrix.
  std::string Bytes = fileBytes();
  auto Damage = [&](const char *Name, int64_t Offset, const char *Value, size_t Size) {
    std::memcpy(Bytes.data() + File->findTensor(Name)->Offset + Offset, Value, Size);
  };
  Damage("norm", 8, "\x00\x00\x80\xff", 4);
  Damage("blk.3.w", 5 * 34, "\x00\x7c", 2);
  writeFile(Folder.path("bad.gguf"), Bytes);
  std::unique_ptr<GGUFFile> Bad = GGUFFile::open(Folder.path("bad.gguf"), Diags);
  ASSERT_TRUE(Bad) << Diags.str();
  EXPECT_TRUE(WeightStore::create(*Bad, program(), *Workers, SourcePages::Release,
                                  NonFiniteWeights::Warning, Diags));
  EXPECT_FALSE(Diags.hasErrors());
  ASSERT_EQ(Diags.all().size(), 2u) << Diags.str();
  EXPECT_NE(Diags.str().find("tensor 'norm': block 2 is not finite"), std::string::npos);
  EXPECT_NE(Diags.str().find("tensor 'blk.3.w': block 5 is not finite"), std::string::npos);
  EXPECT_FALSE(WeightStore::create(*Bad, program(), *Workers, SourcePages::Release,
                                   NonFiniteWeights::Error, Diags));
  EXPECT_EQ(Diags.errorCount(), 2u);
  EXPECT_EQ(Diags.all().back().Number, 325u);
}

TEST_F(WeightStoreTest, NoWeightsAreFine) {
  auto Store = WeightStore::create(*File, Manifest(), *Workers, SourcePages::Release,
                                   NonFiniteWeights::Error, Diags);
  ASSERT_TRUE(Store) << Diags.str();
  EXPECT_EQ(Store->bytes(), 0u);
}

} // namespace
