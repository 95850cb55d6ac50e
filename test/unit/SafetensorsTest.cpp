//===- SafetensorsTest.cpp - Reading safetensors, and refusing what is not -===//
//
// Faults one by one are in test/Tools/inspect-safetensors.test.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/Safetensors.h"
#include "runtime/session/Manifest.h"
#include "runtime/weights/WeightStore.h"
#include "runtime/workers/WorkerPool.h"

#include "gtest/gtest.h"

#include <cstring>
#include <string>
#include <vector>

using namespace lathe;

namespace {

std::vector<uint8_t> makeFile(std::string_view Header, size_t DataBytes) {
  uint64_t Length = Header.size();
  std::vector<uint8_t> File(sizeof(Length) + Length);
  std::memcpy(File.data(), &Length, sizeof(Length));
  std::memcpy(File.data() + sizeof(Length), Header.data(), Length);
  for (size_t I = 0; I < DataBytes; ++I)
    File.push_back(static_cast<uint8_t>(I));
  return File;
}

std::vector<unsigned> errorsOf(std::string_view Header, size_t DataBytes) {
  Diagnostics Diags;
  std::vector<uint8_t> Bytes = makeFile(Header, DataBytes);
  bool Read = SafetensorsFile::parse(Bytes, "test", Diags) != nullptr;
  EXPECT_EQ(Read, !Diags.hasErrors());
  std::vector<unsigned> Numbers;
  for (const Diagnostic &Each : Diags.all())
    Numbers.push_back(Each.Number);
  return Numbers;
}

using Numbers = std::vector<unsigned>;

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirData) {
  std::vector<uint8_t> Bytes = makeFile(
      R"({"z":{"dtype":"F16","shape":[2,3],"data_offsets":[8,20]},"__metadata__":{"format":"pt"},)"
      R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
      R"("i":{"dtype":"I64","shape":[],"data_offsets":[20,28]}}   )",
      28);
  Diagnostics Diags;
  std::unique_ptr<SafetensorsFile> File = SafetensorsFile::parse(Bytes, "test", Diags);
  ASSERT_TRUE(File) << Diags.str();
  ASSERT_EQ(File->tensors().size(), 3u);
  const SafetensorsTensor *A = File->findTensor("a"), *Z = File->findTensor("z"),
                          *I = File->findTensor("i");
  ASSERT_TRUE(A && Z && I);
  EXPECT_EQ(A, &File->tensors()[0]);
  EXPECT_EQ(Z, &File->tensors()[1]);
  EXPECT_EQ(A->Format, findBlockFormat("f32"));
  EXPECT_EQ(Z->Format, findBlockFormat("f16"));
  EXPECT_EQ(I->Format, nullptr);
  EXPECT_EQ(File->typeName(*I), "I64");
  EXPECT_EQ(File->typeName(*Z), "f16");
  EXPECT_EQ(Z->Shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(I->Shape, std::vector<int64_t>{});
  EXPECT_EQ(A->Offset, File->headerBytes().size());
  EXPECT_EQ(File->data(*Z)[0], 8);
  EXPECT_EQ(File->data(*I).data() + 8, Bytes.data() + Bytes.size());
  EXPECT_EQ(File->findTensor("b"), nullptr);
  ASSERT_TRUE(File->findMetadata("format"));
  EXPECT_EQ(*File->findMetadata("format"), "pt");
  EXPECT_EQ(File->findMetadata("a"), nullptr);
}

TEST(Safetensors, EmptyTensorsMayShareAPlace) {
  EXPECT_EQ(errorsOf(R"({"a":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},)"
                     R"("b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                     R"("c":{"dtype":"F32","shape":[0],"data_offsets":[2,2]}})",
                     2),
            Numbers{});
  EXPECT_EQ(errorsOf("{}", 0), Numbers{});
}

TEST(Safetensors, NamesAreUnescaped) {
  std::vector<uint8_t> Bytes =
      makeFile(R"({"a\u0062\"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1);
  Diagnostics Diags;
  std::unique_ptr<SafetensorsFile> File = SafetensorsFile::parse(Bytes, "test", Diags);
  ASSERT_TRUE(File) << Diags.str();
  EXPECT_TRUE(File->findTensor("ab\""));
}

TEST(Safetensors, TellsAllFaultsOfAllTensors) {
  EXPECT_EQ(errorsOf(R"({"a":{"dtype":"X","shape":[1],"data_offsets":[0,1]},)"
                     R"("b":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]},)"
                     R"("c":{"dtype":"U8","shape":[1],"data_offsets":[0,2]}})",
                     2),
            (Numbers{345, 346, 347}));
}

/// The file of outside: its tensors fill it, and one of them is what it must be.
TEST(Safetensors, ReadsWhatHuggingFaceWrote) {
  Diagnostics Diags;
  std::string Path = LATHE_TEST_REFERENCE "/tiny-hf/llama/model.safetensors";
  std::unique_ptr<TensorFile> File = TensorFile::open(Path, Diags);
  ASSERT_TRUE(File) << Diags.str();
  const FileTensor *Norm = File->findTensor("model.norm.weight");
  ASSERT_TRUE(Norm);
  ASSERT_EQ(Norm->Shape.size(), 1u);
  EXPECT_EQ(Norm->Bytes, static_cast<uint64_t>(Norm->Shape[0]) * 4);
  EXPECT_TRUE(File->identity());
}

TEST(Safetensors, WeightsOfTwoFiles) {
  std::vector<uint8_t> Bytes =
      makeFile(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 16);
  Diagnostics Diags;
  std::unique_ptr<SafetensorsFile> First = SafetensorsFile::parse(Bytes, "first", Diags);
  std::unique_ptr<SafetensorsFile> Second = SafetensorsFile::parse(Bytes, "second", Diags);
  ASSERT_TRUE(First && Second);
  Manifest Program;
  for (const char *Name : {"one", "two"}) {
    ManifestWeight Weight;
    Weight.Symbol = Name;
    Weight.Format = findBlockFormat("f32");
    Weight.Shape = {4};
    Weight.Layout = WeightLayout::Vector;
    Weight.First = Program.WeightTableSize++;
    Weight.Tensors = "a";
    Weight.File = Name;
    Program.Weights.push_back(Weight);
  }
  std::unique_ptr<WorkerPool> Workers = WorkerPool::create(1, Diags);
  WeightFiles Files;
  Files.add("one", *First);
  auto Create = [&] {
    return WeightStore::create(Files, Program, *Workers, SourcePages::Keep,
                               NonFiniteWeights::Warning, Diags);
  };
  EXPECT_FALSE(Create());
  ASSERT_EQ(Diags.all().size(), 1u);
  EXPECT_EQ(Diags.all()[0].Number, 633u);
  Files.add("two", *Second);
  std::unique_ptr<WeightStore> Store = Create();
  ASSERT_TRUE(Store);
  EXPECT_EQ(std::memcmp(Store->table()[1], Second->data(*Second->findTensor("a")).data(), 16), 0);
}

TEST(Safetensors, OrdersOfWeights) {
  const float Values[] = {1, 2, 3, 4};
  const int32_t Places[] = {2, 3, 0, 1}, Wrong[] = {2, 3, 0, 0};
  std::vector<uint8_t> Weights =
      makeFile(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 16);
  std::memcpy(Weights.data() + Weights.size() - 16, Values, 16);
  auto OrderOf = [](const int32_t *From) {
    std::vector<uint8_t> Bytes =
        makeFile(R"({"o":{"dtype":"I32","shape":[4],"data_offsets":[0,16]}})", 16);
    std::memcpy(Bytes.data() + Bytes.size() - 16, From, 16);
    return Bytes;
  };
  std::vector<uint8_t> Sound = OrderOf(Places), Bad = OrderOf(Wrong);
  Diagnostics Diags;
  std::unique_ptr<SafetensorsFile> Model = SafetensorsFile::parse(Weights, "model", Diags);
  std::unique_ptr<SafetensorsFile> Order = SafetensorsFile::parse(Sound, "order", Diags);
  std::unique_ptr<SafetensorsFile> BadOrder = SafetensorsFile::parse(Bad, "bad", Diags);
  ASSERT_TRUE(Model && Order && BadOrder) << Diags.str();
  Manifest Program;
  ManifestWeight &Weight = Program.Weights.emplace_back();
  Weight.Symbol = "one";
  Weight.Format = findBlockFormat("f32");
  Weight.Shape = {4};
  Weight.Layout = WeightLayout::Vector;
  Weight.Tensors = "a";
  Weight.Order = {0, "o", "cal"};
  Program.WeightTableSize = 1;
  std::unique_ptr<WorkerPool> Workers = WorkerPool::create(1, Diags);
  auto Create = [&](const TensorFile *Cal) {
    WeightFiles Files(*Model);
    if (Cal)
      Files.add("cal", *Cal);
    return WeightStore::create(Files, Program, *Workers, SourcePages::Keep,
                               NonFiniteWeights::Warning, Diags);
  };
  std::unique_ptr<WeightStore> Store = Create(Order.get());
  ASSERT_TRUE(Store) << Diags.str();
  const float Expected[] = {3, 4, 1, 2};
  EXPECT_EQ(std::memcmp(Store->table()[0], Expected, 16), 0);
  EXPECT_FALSE(Create(nullptr));
  EXPECT_FALSE(Create(BadOrder.get()));
  EXPECT_FALSE(Create(Model.get()));
  ASSERT_EQ(Diags.all().size(), 3u) << Diags.str();
  EXPECT_EQ(Diags.all()[0].Number, 633u);
  EXPECT_EQ(Diags.all()[1].Number, 634u);
  EXPECT_NE(Diags.str().find("tensor 'o': found I32 of 4, expected I32 of 4, each number below "
                             "that once"),
            std::string::npos)
      << Diags.str();
  EXPECT_NE(Diags.all()[2].Message.find("missing, expected I32"), std::string::npos);
}

} // namespace
