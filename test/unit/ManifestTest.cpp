//===- ManifestTest.cpp - What a compiled program says of itself ----------===//

#include "runtime/session/Manifest.h"

#include <gtest/gtest.h>

using namespace lathe;

namespace {

// clang-format off
const std::string Sound = R"json({"abi":1,"compiler":"lathe 0.1.0 (LLVM 22.1.8)","target":"x86-64-v3",
"features":["avx2","fma"],"precision":"auto",
"model":{"architecture":"llama","vocabulary":49152,"embedding":576,"layers":30,"context":8192},
"entries":[{"name":"prefill","max_rows":512,"arena_bytes":4096,"scratch_bytes":128},
{"name":"decode","max_rows":1,"arena_bytes":64,"scratch_bytes":64}],
"weights":[
{"symbol":"blk.attn_q","format":"q4_1","shape":[576,576],"layout":"panel32","first":1,"layers":[0,2,7],
 "tensors":"blk.{}.attn_q.weight"},
{"symbol":"output_norm","format":"f32","shape":[576],"layout":"vector","first":0,
 "tensors":"output_norm.weight"}],
"kv":{"type":"f16","bytes_per_position":23040}})json";
// clang-format on

/// Sound, with the first `From` replaced.
std::string with(const std::string &From, const std::string &To) {
  std::string Text = Sound;
  size_t At = Text.find(From);
  EXPECT_NE(At, std::string::npos) << From;
  return Text.replace(At, From.size(), To);
}

TEST(Manifest, ReadsEverything) {
  Diagnostics Diags;
  std::optional<Manifest> Read = Manifest::parse(Sound, "model.so", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  EXPECT_EQ(Read->Target, "x86-64-v3");
  EXPECT_EQ(Read->Features, (std::vector<std::string>{"avx2", "fma"}));
  EXPECT_EQ(Read->Model.Vocabulary, 49152);
  EXPECT_EQ(Read->Model.Context, 8192);
  EXPECT_EQ(Read->KVType, "f16");
  EXPECT_EQ(Read->KVBytesPerPosition, 23040);
  ASSERT_EQ(Read->Entries.size(), 2u);
  EXPECT_EQ(Read->Entries[0].Name, "decode");
  EXPECT_EQ(Read->Entries[1].ArenaBytes, 4096);
  EXPECT_EQ(Read->WeightTableSize, 4);
}

TEST(Manifest, SaysHowKernelsOfAGPUAreLaunched) {
  Diagnostics Diags;
  std::optional<Manifest> Host = Manifest::parse(Sound, "model.so", Diags);
  std::string Launch = "\"launch\":{\"threads\":256,\"shared_bytes\":98304},\"precision\"";
  std::optional<Manifest> GPU = Manifest::parse(with("\"precision\"", Launch), "model.so", Diags);
  ASSERT_TRUE(Host && GPU) << Diags.str();
  EXPECT_FALSE(Host->isForDevice());
  EXPECT_TRUE(GPU->isForDevice());
  EXPECT_EQ(GPU->Launch.Threads, 256);
  EXPECT_EQ(GPU->Launch.SharedBytes, 98304);
  Launch.replace(Launch.find("256"), 3, "0");
  EXPECT_FALSE(Manifest::parse(with("\"precision\"", Launch), "model.so", Diags));
  EXPECT_NE(Diags.str().find("launch.threads: found '0', expected an integer from 1 to 1024"),
            std::string::npos)
      << Diags.str();
}

TEST(Manifest, NamesTensors) {
  Diagnostics Diags;
  std::optional<Manifest> Read = Manifest::parse(Sound, "model.so", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  const ManifestWeight &Query = Read->Weights[0], &Norm = Read->Weights[1];
  EXPECT_EQ(Query.tensorCount(), 3);
  EXPECT_EQ(Query.tensorName(1), "blk.2.attn_q.weight");
  EXPECT_EQ(Query.Layout, WeightLayout::Panel32);
  EXPECT_EQ(Query.Format->Name, "q4_1");
  EXPECT_EQ(Norm.tensorCount(), 1);
  EXPECT_EQ(Norm.tensorName(0), "output_norm.weight");
}

TEST(Manifest, ReadsTheMatricesOfExperts) {
  Diagnostics Diags;
  std::optional<Manifest> Read =
      Manifest::parse(with("[576,576]", "[8,1024,576]"), "model.so", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  EXPECT_EQ(Read->Weights[0].rows(), 8192);
  EXPECT_EQ(Read->Weights[0].columns(), 576);
  for (const char *Shape : {"[576]", "[2,2,2,576]", "[2147483647,2147483647,576]"}) {
    Diagnostics Faults;
    EXPECT_FALSE(Manifest::parse(with("[576,576]", Shape), "model.so", Faults)) << Shape;
    ASSERT_EQ(Faults.errorCount(), 1u) << Faults.str();
    EXPECT_EQ(Faults.all()[0].Number, 602u);
  }
}

TEST(Manifest, RefusesOtherVersionsBeforeAnythingElse) {
  for (const char *Text : {R"({"abi":0})", R"({"abi":6})"}) {
    Diagnostics Diags;
    EXPECT_FALSE(Manifest::parse(Text, "model.so", Diags));
    ASSERT_EQ(Diags.all().size(), 1u);
    EXPECT_EQ(Diags.all()[0].Number, 603u);
    EXPECT_EQ(Diags.exitCode(), ExitCode::VersionMismatch);
  }
}

TEST(Manifest, SaysWhichLayersItWasCompiledWithout) {
  Diagnostics Diags;
  std::optional<Manifest> Old = Manifest::parse(Sound, "model.so", Diags);
  std::optional<Manifest> New = Manifest::parse(
      with("\"abi\":1,", "\"abi\":2,\"chooses_layers\":true,\"skipped_layers\":[14,17],"),
      "model.so", Diags);
  ASSERT_TRUE(Old && New) << Diags.str();
  EXPECT_FALSE(Old->ChoosesLayers);
  EXPECT_TRUE(Old->SkippedLayers.empty());
  EXPECT_TRUE(New->ChoosesLayers);
  EXPECT_EQ(New->SkippedLayers, (std::vector<int64_t>{14, 17}));
}

TEST(Manifest, SaysWhereTheStackMayBeLeft) {
  Diagnostics Diags;
  std::optional<Manifest> Found = Manifest::parse(
      with("\"abi\":1,", "\"abi\":3,\"exits\":[2,5],\"behind\":\"defer\","), "model.so", Diags);
  ASSERT_TRUE(Found) << Diags.str();
  EXPECT_EQ(Found->Exits, (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(Found->Behind, "defer");
}

/// Sound with a model of two layers, and these widths.
std::string withWidths(const std::string &Widths) {
  std::string Text = with("\"layers\":30", "\"layers\":2");
  Text.replace(Text.find("[0,2,7]"), 7, "[0,1]");
  return Text.replace(Text.find("\"abi\":1,"), 8, "\"abi\":4,\"widths\":" + Widths + ",");
}

TEST(Manifest, SaysHowManyNeuronsAStepMayLeaveOut) {
  Diagnostics Diags;
  std::string Text = withWidths(R"({"neurons":[576,0],"step":[32,0],"unasked":[288,0]})");
  Text.replace(Text.find("\"layout\":\"panel32\""), 18,
               R"("neurons":1,"order":{"dim":1,"tensors":"width.{}.order","file":"cal"},)"
               R"("layout":"panel32")");
  std::optional<Manifest> Found = Manifest::parse(Text, "model.so", Diags);
  ASSERT_TRUE(Found) << Diags.str();
  ASSERT_EQ(Found->Widths.size(), 2u);
  EXPECT_EQ(Found->Widths[0].Neurons, 576);
  EXPECT_EQ(Found->Widths[0].Step, 32);
  EXPECT_EQ(Found->Widths[0].Unasked, 288);
  EXPECT_EQ(Found->Widths[1].Neurons, 0);
  EXPECT_EQ(Found->Weights[0].NeuronDim, 1);
  EXPECT_EQ(Found->Weights[1].NeuronDim, -1);
  ASSERT_TRUE(Found->Weights[0].Order);
  EXPECT_EQ(Found->Weights[0].Order->Dim, 1);
  EXPECT_EQ(Found->Weights[0].orderName(1), "width.1.order");
  // Half of one matrix of 576 x 576 in blocks of 32 that take 20 bytes, and all of the other.
  const int32_t Chosen[] = {288, 576};
  EXPECT_EQ(Found->narrowBytes(Chosen), 576 * 576 / 32 * 20 / 2);
}

TEST(Manifest, RefusesWidthsThatNoLayerHas) {
  for (const char *Widths : {R"({"neurons":[64],"step":[32],"unasked":[64]})",
                             R"({"neurons":[64,60],"step":[32,32],"unasked":[64,60]})",
                             R"({"neurons":[64,64],"step":[32,0],"unasked":[64,64]})",
                             R"({"neurons":[64,64],"step":[32,32],"unasked":[64,96]})",
                             R"({"neurons":[64,64],"step":[32,32],"unasked":[64,0]})"}) {
    Diagnostics Diags;
    EXPECT_FALSE(Manifest::parse(withWidths(Widths), "model.so", Diags)) << Widths;
    EXPECT_EQ(Diags.all()[0].Number, 602u);
    EXPECT_NE(Diags.str().find("widths: "), std::string::npos) << Diags.str();
  }
}

TEST(Manifest, RefusesOrdersOfNoDimension) {
  for (const char *Order :
       {R"({"dim":2,"tensors":"o.{}","file":"cal"})", R"({"dim":0,"tensors":"o","file":"cal"})"}) {
    Diagnostics Diags;
    std::string Text =
        with("\"layout\":\"panel32\"", std::string("\"layout\":\"panel32\",\"order\":") + Order);
    EXPECT_FALSE(Manifest::parse(Text, "model.so", Diags)) << Order;
    EXPECT_EQ(Diags.all()[0].Number, 602u);
  }
}

TEST(Manifest, RefusesWhatIsNoJSON) {
  const std::string Deep(200'000, '[');
  for (const std::string &Text : {std::string(), std::string("[]"), std::string("{\"abi\":1"),
                                  std::string("{}"), std::string(1000, '\0'), Deep}) {
    Diagnostics Diags;
    EXPECT_FALSE(Manifest::parse(Text, "model.so", Diags));
    ASSERT_EQ(Diags.errorCount(), 1u) << Diags.str();
    EXPECT_EQ(Diags.all()[0].Number, 601u);
  }
}

// clang-format off
const std::string Function = R"json({"abi":2,"compiler":"lathe 0.1.0 (LLVM 22.1.8)","target":"x86-64-v3",
"features":[],"precision":"auto",
"inputs":[{"name":"x","shape":[-1,16]},{"name":"state","shape":[16]}],
"outputs":[{"name":"y","shape":[-1,4,4]}],
"entries":[{"name":"main","max_rows":64,"arena_bytes":4096,"scratch_bytes":128}],
"weights":[{"symbol":"w","format":"bf16","shape":[4,17],"layout":"plain","first":0,
 "tensors":"w","file":"a/w.safetensors"}]})json";
// clang-format on

TEST(Manifest, ReadsFunctions) {
  Diagnostics Diags;
  std::optional<Manifest> Read = Manifest::parse(Function, "mlp.mlir", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  EXPECT_TRUE(Read->isFunction());
  ASSERT_EQ(Read->Inputs.size(), 2u);
  ASSERT_EQ(Read->Outputs.size(), 1u);
  EXPECT_EQ(Read->Inputs[0].Name, "x");
  EXPECT_TRUE(Read->Inputs[0].hasRows());
  EXPECT_FALSE(Read->Inputs[1].hasRows());
  EXPECT_EQ(Read->Outputs[0].Shape, (std::vector<int64_t>{-1, 4, 4}));
  EXPECT_EQ(Read->Weights[0].Layout, WeightLayout::Plain);
  EXPECT_EQ(Read->Weights[0].File, "a/w.safetensors");
}

struct Fault {
  const char *From, *To, *Message;
};

TEST(Manifest, AnEntryMaySayHowManyLogitsItFinds) {
  Diagnostics Diags;
  std::optional<Manifest> Plain = Manifest::parse(Sound, "model.so", Diags);
  ASSERT_TRUE(Plain) << Diags.str();
  EXPECT_EQ(Plain->Entries[0].GreatestLogits, 0);
  std::string Text = with("\"max_rows\":1,", "\"max_rows\":1,\"greatest_logits\":64,");
  std::optional<Manifest> Read = Manifest::parse(Text, "model.so", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  EXPECT_EQ(Read->Entries[0].GreatestLogits, 64);
  EXPECT_EQ(Read->Entries[1].GreatestLogits, 0);
}

TEST(Manifest, AnEntryMaySayThatStepsGoOn) {
  Diagnostics Diags;
  std::string Text = with("\"max_rows\":1,", "\"max_rows\":1,\"resumes\":true,");
  std::optional<Manifest> Read = Manifest::parse(Text, "model.so", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  EXPECT_TRUE(Read->Entries[0].Resumes);
  EXPECT_FALSE(Read->Entries[1].Resumes);
}

/// 576 times 18 blocks of 20 bytes a tensor.
TEST(Manifest, AWeightMaySayWhenItIsRead) {
  constexpr double Matrix = 576 * 18 * 20;
  Diagnostics Diags;
  std::optional<Manifest> Plain = Manifest::parse(Sound, "model.so", Diags);
  ASSERT_TRUE(Plain) << Diags.str();
  EXPECT_EQ(Plain->Weights[0].Use, WeightUse::Layer);
  EXPECT_EQ(Plain->layerBytes(), 3 * Matrix);
  EXPECT_EQ(Plain->bytesLeftOut(-1), 3 * Matrix);
  EXPECT_EQ(Plain->bytesLeftOut(2), Matrix);
  const std::string Layers = "\"layers\":[0,2,7],";
  std::optional<Manifest> Behind =
      Manifest::parse(with(Layers, Layers + "\"use\":\"behind\","), "model.so", Diags);
  ASSERT_TRUE(Behind) << Diags.str();
  EXPECT_EQ(Behind->layerBytes(), 3 * Matrix);
  EXPECT_EQ(Behind->bytesLeftOut(0), 0);
  std::optional<Manifest> Exit =
      Manifest::parse(with(Layers, Layers + "\"use\":\"exit\","), "model.so", Diags);
  ASSERT_TRUE(Exit) << Diags.str();
  EXPECT_EQ(Exit->layerBytes(), 0);
  EXPECT_EQ(Exit->bytesLeftOut(2), -Matrix);
  EXPECT_EQ(Exit->bytesLeftOut(3), 0);
  EXPECT_FALSE(Manifest::parse(with(Layers, Layers + "\"use\":\"never\","), "model.so", Diags));
}

TEST(Manifest, TellsEachFaultOfAFunction) {
  const Fault Faults[] = {
      {"[-1,16]", "[16,-1]", "inputs[0].shape: expected sizes from 1 on"},
      {"[-1,16]", "[0]", "inputs[0].shape"},
      {"[-1,16]", "[]", "inputs[0].shape: found no dimension"},
      {"[-1,16]", "[2147483647,2147483647]", "inputs[0].shape"},
      {"[{\"name\":\"y\",\"shape\":[-1,4,4]}]", "[]", "outputs: found none"},
      {"\"name\":\"y\"", "\"name\":\"\"", "outputs[0].name"},
      {"\"bf16\"", "\"q8_0\"", "weights[0].layout: found 'plain' for a quantised weight"},
      {"[4,17]", "[4,17,1]", "weights[0].shape: found 3 dimensions"},
      {"a/w.safetensors", "../w.safetensors", "weights[0].file: found '../w.safetensors'"},
      {"a/w.safetensors", "/etc/w", "weights[0].file: found '/etc/w'"},
  };
  for (const Fault &Each : Faults) {
    std::string Text = Function;
    size_t At = Text.find(Each.From);
    ASSERT_NE(At, std::string::npos) << Each.From;
    Diagnostics Diags;
    EXPECT_FALSE(Manifest::parse(Text.replace(At, std::string(Each.From).size(), Each.To),
                                 "mlp.mlir", Diags))
        << Each.To;
    EXPECT_NE(Diags.str().find(Each.Message), std::string::npos) << Diags.str();
  }
}

TEST(Manifest, TellsEachFault) {
  const Fault Faults[] = {
      {"\"vocabulary\":49152", "\"vocabulary\":0", "model.vocabulary: found '0', expected"},
      {"\"vocabulary\":49152", "\"vocabulary\":-1", "model.vocabulary"},
      {"\"vocabulary\":49152", "\"vocabulary\":1e400", "not a JSON object"},
      {"\"vocabulary\":49152,", "", "model.vocabulary: missing"},
      {"\"layers\":30", "\"layers\":1000000", "model.layers"},
      {"\"avx2\"", "7", "features: expected an array of texts"},
      {"\"kv\":{", "\"kw\":{", "kv: expected an object"},
      {"\"decode\"", "\"../x\"", "found the name '../x'"},
      {"\"max_rows\":1,", "\"max_rows\":0,", "entries[1].max_rows"},
      {"\"max_rows\":1,", "\"max_rows\":1,\"greatest_logits\":0,",
       "entries[1].greatest_logits: found '0', expected"},
      {"\"max_rows\":1,", "\"max_rows\":1,\"resumes\":1,",
       "entries[1].resumes: expected true or false"},
      {"\"arena_bytes\":64", "\"arena_bytes\":9223372036854775807", "entries[1].arena_bytes"},
      {"\"q4_1\"", "\"q9_9\"", "weights[0].format: found 'q9_9'"},
      {"\"panel32\"", "\"panel64\"", "weights[0].layout: found 'panel64'"},
      {"[576,576]", "[576]", "weights[0].shape: found 1 dimensions, expected 2 or 3"},
      {"[576,576]", "[576,577]", "weights[0].shape: rows of 577 elements"},
      {"[576,576]", "[576,0]", "weights[0].shape: expected an array"},
      {"[0,2,7]", "[0,7,2]", "weights[0].layers"},
      {"[0,2,7]", "[0,2,30]", "weights[0].layers"},
      {"[0,2,7]", "[]", "weights[0].layers"},
      {"blk.{}.attn_q", "blk.attn_q", "weights[0].tensors: found 'blk.attn_q.weight'"},
      {"\"output_norm.weight\"", "\"{}\"", "weights[1].tensors"},
      {"\"first\":1", "\"first\":2", "'blk.attn_q' starts at pointer 2, expected 1"},
      {"\"first\":1", "\"first\":0", "starts at pointer 0, expected"},
      {"\"abi\":1,", "\"abi\":3,\"exits\":[5,2],\"behind\":\"none\",", "exits: expected layers"},
      {"\"abi\":1,", "\"abi\":3,\"exits\":[30],\"behind\":\"none\",", "exits: expected layers"},
      {"\"abi\":1,", "\"abi\":3,\"exits\":[],\"behind\":\"none\",", "exits: expected"},
      {"\"abi\":1,", "\"abi\":3,\"exits\":[2],", "behind: expected a text"},
      {"\"abi\":1,", "\"abi\":3,\"exits\":[2],\"behind\":\"never\",",
       "behind: found 'never', expected propagate, none or defer"},
      {"\"abi\":1,", "\"abi\":2,\"chooses_layers\":1,", "chooses_layers: expected true or false"},
      {"\"abi\":1,", "\"abi\":2,\"skipped_layers\":[3,3],", "skipped_layers: expected layers"},
      {"\"abi\":1,", "\"abi\":2,\"skipped_layers\":[30],", "skipped_layers: expected layers"},
  };
  for (const Fault &Each : Faults) {
    Diagnostics Diags;
    EXPECT_FALSE(Manifest::parse(with(Each.From, Each.To), "model.so", Diags)) << Each.To;
    EXPECT_NE(Diags.str().find(Each.Message), std::string::npos) << Each.Message << "\n"
                                                                 << Diags.str();
    EXPECT_EQ(Diags.exitCode(), ExitCode::Malformed);
  }
}

TEST(Manifest, TellsAllFaultsAtOnce) {
  Diagnostics Diags;
  EXPECT_FALSE(Manifest::parse(R"({"abi":1,"features":[]})", "model.so", Diags));
  EXPECT_GE(Diags.errorCount(), 7u);
}

} // namespace
