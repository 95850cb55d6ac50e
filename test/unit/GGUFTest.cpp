//===- GGUFTest.cpp - Reading GGUF, and refusing what is not --------------===//

#include "GGUFBuilder.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace lathe;
using namespace lathe::test;
using Type = GGUFValueType;

namespace {

constexpr uint64_t Huge = std::numeric_limits<uint64_t>::max();

/// The numbers of all errors, in order; empty when the file is read.
std::vector<unsigned> errorsOf(std::span<const uint8_t> File, std::string *Text = nullptr) {
  Diagnostics Diags;
  bool Read = GGUFFile::parse(File, "test.gguf", Diags) != nullptr;
  EXPECT_EQ(Read, !Diags.hasErrors());
  std::vector<unsigned> Numbers;
  for (const Diagnostic &Each : Diags.all())
    Numbers.push_back(Each.Number);
  if (Text)
    *Text = Diags.str();
  return Numbers;
}

std::vector<unsigned> errorsOf(const GGUFBuilder &Builder, std::string *Text = nullptr) {
  return errorsOf(Builder.build(), Text);
}

using Numbers = std::vector<unsigned>;

/// A file with one value and two tensors, which is read.
GGUFBuilder valid() {
  GGUFBuilder Builder;
  Builder.text("general.architecture", "llama");
  Builder.tensor({"a.weight", {64, 3}, 2, 2 * 3 * 18});
  Builder.tensor({"b.weight", {5}, 0, 20});
  return Builder;
}

std::unique_ptr<GGUFFile> read(const std::vector<uint8_t> &File) {
  Diagnostics Diags;
  std::unique_ptr<GGUFFile> Result = GGUFFile::parse(File, "test.gguf", Diags);
  EXPECT_TRUE(Result) << Diags.str();
  return Result;
}

TEST(GGUF, ReadsTensors) {
  std::vector<uint8_t> Bytes = valid().build();
  std::unique_ptr<GGUFFile> File = read(Bytes);
  ASSERT_TRUE(File);
  ASSERT_EQ(File->tensors().size(), 2u);
  const GGUFTensor *A = File->findTensor("a.weight");
  ASSERT_TRUE(A);
  EXPECT_EQ(A->Shape, (std::vector<int64_t>{3, 64}));
  EXPECT_EQ(A->Format, findBlockFormat("q4_0"));
  EXPECT_EQ(A->Bytes, 108u);
  EXPECT_EQ(A->Offset, File->headerBytes().size());
  const GGUFTensor *B = File->findTensor("b.weight");
  ASSERT_TRUE(B);
  EXPECT_EQ(B->Offset, A->Offset + 128);
  EXPECT_EQ(File->data(*B).data() + 20, Bytes.data() + Bytes.size());
  EXPECT_EQ(File->findTensor("c.weight"), nullptr);
  EXPECT_EQ(File->path(), "test.gguf");
}

TEST(GGUF, KnowsUnsupportedTypesBySize) {
  GGUFBuilder Builder;
  Builder.tensor({"q2_k", {256}, 10, 84}).tensor({"f32", {1}, 0, 4});
  std::vector<uint8_t> Bytes = Builder.build();
  std::unique_ptr<GGUFFile> File = read(Bytes);
  ASSERT_TRUE(File);
  const GGUFTensor *Tensor = File->findTensor("q2_k");
  EXPECT_EQ(Tensor->Format, nullptr);
  EXPECT_EQ(Tensor->Bytes, 0u);
  EXPECT_TRUE(File->data(*Tensor).empty());
}

TEST(GGUF, ReadsVersion2AndVocabularyOnly) {
  GGUFBuilder Builder;
  Builder.Version = 2;
  Builder.text("general.architecture", "llama");
  EXPECT_EQ(errorsOf(Builder), Numbers{});
}

TEST(GGUF, HonoursAlignment) {
  GGUFBuilder Builder = valid();
  Builder.Alignment = 4096;
  Builder.value<uint32_t>("general.alignment", Type::U32, 4096);
  std::vector<uint8_t> Bytes = Builder.build();
  std::unique_ptr<GGUFFile> File = read(Bytes);
  ASSERT_TRUE(File);
  EXPECT_EQ(File->tensors()[1].Offset, 8192u);
}

TEST(GGUF, Getters) {
  GGUFBuilder Builder;
  Builder.value<uint32_t>("u32", Type::U32, 7).value<int8_t>("i8", Type::I8, -7);
  Builder.value<uint64_t>("u64", Type::U64, Huge).value<float>("f32", Type::F32, 0.5f);
  Builder.value<double>("f64", Type::F64, 0.25).value<uint8_t>("bool", Type::Bool, 1);
  Builder.text("text", "hello");
  Builder.array("strings", Type::String, 2, Bytes().string("a").string(""));
  Builder.array("i16s", Type::I16, 2, Bytes().add<int16_t>(-1).add<int16_t>(2));
  Builder.array("f32s", Type::F32, 1, Bytes().add(1.5f));
  Builder.array("bools", Type::Bool, 3, Bytes().add<uint8_t>(1).add<uint8_t>(0).add<uint8_t>(1));
  Builder.array("empty", Type::U8, 0, Bytes());
  std::vector<uint8_t> Raw = Builder.build();
  std::unique_ptr<GGUFFile> File = read(Raw);
  ASSERT_TRUE(File);
  EXPECT_EQ(File->getUInt("u32"), 7u);
  EXPECT_EQ(File->getInt("u32"), 7);
  EXPECT_EQ(File->getInt("i8"), -7);
  EXPECT_EQ(File->getUInt("i8"), std::nullopt);
  EXPECT_EQ(File->getUInt("u64"), Huge);
  EXPECT_EQ(File->getInt("u64"), std::nullopt);
  EXPECT_EQ(File->getUInt("f32"), std::nullopt);
  EXPECT_EQ(File->getUInt("bool"), std::nullopt);
  EXPECT_EQ(File->getFloat("f32"), 0.5);
  EXPECT_EQ(File->getFloat("f64"), 0.25);
  EXPECT_EQ(File->getFloat("u32"), std::nullopt);
  EXPECT_EQ(File->getBool("bool"), true);
  EXPECT_EQ(File->getBool("u32"), std::nullopt);
  EXPECT_EQ(File->getString("text"), "hello");
  EXPECT_EQ(File->getString("strings"), std::nullopt);
  EXPECT_EQ(File->getStrings("strings"), (std::vector<std::string_view>{"a", ""}));
  EXPECT_EQ(File->getInts("i16s"), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(File->getInts("f32s"), std::nullopt);
  EXPECT_EQ(File->getInts("u32"), std::nullopt);
  EXPECT_EQ(File->getFloats("f32s"), std::vector<float>{1.5f});
  EXPECT_EQ(File->getInts("empty"), std::vector<int64_t>{});
  EXPECT_EQ(File->getBools("bools"), (std::vector<bool>{true, false, true}));
  EXPECT_EQ(File->getBools("bool"), std::nullopt);
  EXPECT_EQ(File->getBools("i16s"), std::nullopt);
  EXPECT_EQ(File->getUInt("missing"), std::nullopt);
}

TEST(GGUF, ReadsNestedArrays) {
  Bytes Inner = Bytes().type(Type::U8).add<uint64_t>(2).add<uint16_t>(0x0201);
  Bytes Empty = Bytes().type(Type::String).add<uint64_t>(0);
  GGUFBuilder Builder;
  Builder.array("nested", Type::Array, 2, Bytes().add(Inner).add(Empty)).text("after", "x");
  std::vector<uint8_t> Raw = Builder.build();
  std::unique_ptr<GGUFFile> File = read(Raw);
  ASSERT_TRUE(File);
  EXPECT_EQ(File->findValue("nested")->Bytes.size(), 26u);
  EXPECT_EQ(File->getString("after"), "x");
}

//===-- Refusals; the numbers in comments are those of make_bad_gguf.py -===//

TEST(GGUFRefuses, ShortFiles) {
  std::vector<uint8_t> Bytes = valid().build();
  for (size_t Length = 0; Length < Bytes.size(); ++Length) { // 1, 2, 23
    Numbers Found = errorsOf(std::span(Bytes).first(Length));
    ASSERT_FALSE(Found.empty()) << "a file cut to " << Length << " bytes is read";
  }
  EXPECT_EQ(errorsOf(std::span(Bytes).first(0)), Numbers{301});
  EXPECT_EQ(errorsOf(std::span(Bytes).first(6)), Numbers{302});
  EXPECT_EQ(errorsOf(std::span(Bytes).first(20)), Numbers{302});
  std::string Text;
  EXPECT_EQ(errorsOf(std::span(Bytes).first(Bytes.size() - 1), &Text), Numbers{321});
  EXPECT_NE(Text.find("expected " + std::to_string(Bytes.size()) + " bytes, has " +
                      std::to_string(Bytes.size() - 1)),
            std::string::npos);
}

TEST(GGUFRefuses, Header) {
  GGUFBuilder Builder = valid();
  Builder.Magic = "PK\x03\x04"; // 3
  EXPECT_EQ(errorsOf(Builder), Numbers{301});

  Builder = valid();
  Builder.Version = 3u << 24; // 4
  EXPECT_EQ(errorsOf(Builder), Numbers{303});
  for (uint32_t Version : {0u, 1u, 4u, 0x80000000u}) { // 5
    Builder.Version = Version;
    EXPECT_EQ(errorsOf(Builder), Numbers{304});
  }

  Builder = valid();
  Builder.TensorCount = uint64_t(1) << 63; // 6
  EXPECT_EQ(errorsOf(Builder), Numbers{305});
  Builder.ValueCount = Huge; // 7
  EXPECT_EQ(errorsOf(Builder), (Numbers{305, 305}));
}

TEST(GGUFRefuses, Keys) {
  GGUFBuilder Builder = valid(); // 8
  Builder.Values.push_back(Bytes().add(uint64_t(1) << 40).raw("key"));
  EXPECT_EQ(errorsOf(Builder), Numbers{306});

  Builder = valid();
  Builder.value<uint8_t>("", Type::U8, 0).value<uint8_t>("caf\xc3\xa9", Type::U8, 0);
  EXPECT_EQ(errorsOf(Builder), (Numbers{306, 306}));

  Builder = valid();
  Builder.value<uint8_t>("x", Type::U8, 0).value<uint8_t>("x", Type::U8, 1); // 9
  EXPECT_EQ(errorsOf(Builder), Numbers{307});
}

TEST(GGUFRefuses, Values) {
  GGUFBuilder Builder = valid();
  Builder.value<uint8_t>("x", Type(99), 0); // 10
  EXPECT_EQ(errorsOf(Builder), Numbers{308});
  Builder = valid();
  Builder.array("x", Type(13), 1, Bytes().add<uint64_t>(0));
  EXPECT_EQ(errorsOf(Builder), Numbers{308});

  Builder = valid();
  Builder.value<uint8_t>("x", Type::Bool, 7); // 14
  Builder.array("y", Type::Bool, 2, Bytes().add<uint8_t>(1).add<uint8_t>(2));
  EXPECT_EQ(errorsOf(Builder), (Numbers{311, 311}));
}

TEST(GGUFRefuses, DeepNesting) {
  Bytes Deep; // 11
  for (int I = 0; I < 1000000; ++I)
    Deep.type(Type::Array).add<uint64_t>(1);
  GGUFBuilder Builder;
  Builder.value("x", Type::Array, Deep);
  EXPECT_EQ(errorsOf(Builder), Numbers{309});
}

TEST(GGUFRefuses, ValuesBeyondTheEnd) {
  for (uint64_t Count : {uint64_t(1) << 29, (uint64_t(1) << 61) + 1, Huge}) { // 12
    GGUFBuilder Builder = valid();
    Builder.array("x", Type::U64, Count, Bytes().add<uint64_t>(0));
    EXPECT_EQ(errorsOf(Builder), Numbers{310});
  }
  for (uint64_t Length : {uint64_t(1) << 20, uint64_t(1) << 40, Huge}) { // 13
    GGUFBuilder Builder = valid();
    Builder.value("x", Type::String, Bytes().add(Length).raw("text"));
    EXPECT_EQ(errorsOf(Builder), Numbers{310});
  }
}

TEST(GGUFRefuses, Alignment) {
  for (uint32_t Alignment : {0u, 3u, 0x80000000u}) { // 15
    GGUFBuilder Builder = valid();
    Builder.value("general.alignment", Type::U32, Alignment);
    EXPECT_EQ(errorsOf(Builder), Numbers{312});
  }
  GGUFBuilder Builder = valid();
  Builder.value<uint64_t>("general.alignment", Type::U64, 32);
  EXPECT_EQ(errorsOf(Builder), Numbers{312});
}

TEST(GGUFRefuses, TensorNames) {
  GGUFBuilder Builder = valid(); // 16
  Builder.tensor({std::string(4096, 'x'), {1}, 0, 4}).tensor({"a.weight", {1}, 0, 4});
  EXPECT_EQ(errorsOf(Builder), (Numbers{313, 314}));
  Builder = valid();
  Builder.tensor({std::string(63, 'x'), {1}, 0, 4});
  EXPECT_EQ(errorsOf(Builder), Numbers{});
}

TEST(GGUFRefuses, Shapes) {
  auto With = [](std::vector<uint64_t> Dimensions) {
    GGUFBuilder Builder = valid();
    Builder.tensor({"x", std::move(Dimensions), 0, 4});
    return errorsOf(Builder);
  };
  EXPECT_EQ(With({}), Numbers{315}); // 17
  EXPECT_EQ(With({1, 1, 1, 1, 1}), Numbers{315});
  EXPECT_EQ(With({1, 1, 1, 1}), Numbers{});
  EXPECT_EQ(With({0}), Numbers{316}); // 18
  EXPECT_EQ(With({4, Huge}), Numbers{316});
  EXPECT_EQ(With({uint64_t(1) << 32, uint64_t(1) << 32}), Numbers{316});
  EXPECT_EQ(With({uint64_t(1) << 62}), Numbers{322}); // 19
}

TEST(GGUFRefuses, SumsThatOverflow) {
  GGUFBuilder Builder; // 19
  uint64_t Bytes = (uint64_t(1) << 63) - 1;
  Builder.tensor({"x", {Bytes}, 24, 0, 0});
  Builder.tensor({"y", {Bytes}, 24, 0, Bytes + 1});
  EXPECT_EQ(errorsOf(Builder), Numbers{322});
}

TEST(GGUFRefuses, TensorTypes) {
  GGUFBuilder Builder; // 20, 21
  Builder.tensor({"unknown", {32}, 200, 32});
  Builder.tensor({"removed", {32}, 31, 32});
  Builder.tensor({"row", {33, 32}, 3, 32});
  EXPECT_EQ(errorsOf(Builder), (Numbers{317, 318, 319}));
}

TEST(GGUFRefuses, Offsets) {
  for (uint64_t Offset : {uint64_t(112), uint64_t(96), uint64_t(160), Huge, Huge - 31}) { // 22
    GGUFBuilder Builder = valid();
    Builder.Tensors[1].Offset = Offset;
    EXPECT_EQ(errorsOf(Builder), Numbers{320}) << Offset;
  }
}

TEST(GGUFRefuses, SplitFiles) {
  GGUFBuilder Builder = valid(); // 36
  Builder.value<uint16_t>("split.no", Type::U16, 0).value<uint16_t>("split.count", Type::U16, 3);
  std::string Text;
  EXPECT_EQ(errorsOf(Builder, &Text), Numbers{323});
  EXPECT_NE(Text.find("part 1 of 3"), std::string::npos);
}

TEST(GGUFRefuses, ListsTwentyFaultsAndCounts) {
  GGUFBuilder Builder;
  for (int I = 0; I < 30; ++I)
    Builder.value<uint8_t>("bool" + std::to_string(I), Type::Bool, 2);
  std::string Text;
  Numbers Found = errorsOf(Builder, &Text);
  ASSERT_EQ(Found.size(), 21u);
  EXPECT_EQ(Found.front(), 311u);
  EXPECT_EQ(Found.back(), 324u);
  EXPECT_NE(Text.find("10 more faults"), std::string::npos);
}

TEST(GGUFRefuses, NamesCannotSteerTheTerminal) {
  GGUFBuilder Builder = valid();
  Builder.tensor({"\x1b[2J\nerror", {0}, 0, 4});
  std::string Text;
  EXPECT_EQ(errorsOf(Builder, &Text), Numbers{316});
  EXPECT_EQ(Text.find('\x1b'), std::string::npos);
  EXPECT_NE(Text.find("'\\x1b[2J\\x0aerror'"), std::string::npos);
}

} // namespace
