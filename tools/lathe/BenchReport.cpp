//===- BenchReport.cpp - Results of `lathe bench` ---------------------------===//

#include "tools/lathe/BenchReport.h"
#include "tools/lathe/Json.h"

#include "runtime/support/Text.h"

#include <cmath>
#include <numeric>
#include <variant>

using namespace lathe;
using namespace lathe::cli;

std::string BenchTest::name() const {
  std::string Name = Prompt != 0 ? "pp" + std::to_string(Prompt) : "tg" + std::to_string(Generate);
  return Depth != 0 ? Name + " @ d" + std::to_string(Depth) : Name;
}

std::vector<double> BenchTest::tokensPerSecond() const {
  std::vector<double> Result;
  for (uint64_t Each : Nanoseconds)
    Result.push_back(1e9 * static_cast<double>(Prompt + Generate) /
                     static_cast<double>(Each == 0 ? 1 : Each));
  return Result;
}

MeanAndDeviation cli::meanAndDeviation(const std::vector<double> &Samples) {
  if (Samples.empty())
    return {};
  double Count = static_cast<double>(Samples.size());
  double Mean = std::accumulate(Samples.begin(), Samples.end(), 0.0) / Count;
  double Squares = 0;
  for (double Each : Samples)
    Squares += (Each - Mean) * (Each - Mean);
  return {Mean, Samples.size() > 1 ? std::sqrt(Squares / (Count - 1)) : 0};
}

namespace {
/// One column of a CSV line, one member of a JSON object.
struct Field {
  std::string_view Name;
  std::variant<std::string, int64_t, uint64_t, double> Value;
};
} // namespace

static std::vector<Field> fieldsOf(const BenchSubject &Subject, const BenchTest &Test) {
  std::vector<double> Times(Test.Nanoseconds.begin(), Test.Nanoseconds.end());
  MeanAndDeviation Time = meanAndDeviation(Times);
  MeanAndDeviation Speed = meanAndDeviation(Test.tokensPerSecond());
  return {
      {"build_commit", Subject.Compiler},
      {"cpu_info", Subject.CPU},
      {"gpu_info", Subject.GPU},
      {"backends", Subject.Backend},
      {"model_filename", Subject.ModelFilename},
      {"model_type", Subject.ModelType},
      {"model_size", Subject.ModelBytes},
      {"model_n_params", Subject.Parameters},
      {"n_batch", Subject.BatchRows},
      {"n_threads", Subject.Threads},
      {"n_prompt", Test.Prompt},
      {"n_gen", Test.Generate},
      {"n_depth", Test.Depth},
      {"test_time", Test.Time},
      {"avg_ns", static_cast<uint64_t>(Time.Mean)},
      {"stddev_ns", static_cast<uint64_t>(Time.Deviation)},
      {"avg_ts", Speed.Mean},
      {"stddev_ts", Speed.Deviation},
      {"target", Subject.Target},
      {"precision", Subject.Precision},
      {"type_kv", Subject.KVType},
  };
}

std::string cli::benchJson(const BenchSubject &Subject, const std::vector<BenchTest> &Tests) {
  JsonWriter Json;
  Json.beginArray();
  for (const BenchTest &Test : Tests) {
    Json.beginObject();
    for (const Field &Each : fieldsOf(Subject, Test))
      std::visit([&](const auto &Value) { Json.field(Each.Name, Value); }, Each.Value);
    Json.key("samples_ns").beginArray();
    for (uint64_t Sample : Test.Nanoseconds)
      Json.value(Sample);
    Json.endArray().key("samples_ts").beginArray();
    for (double Sample : Test.tokensPerSecond())
      Json.value(Sample);
    Json.endArray().endObject();
  }
  return Json.endArray().take();
}

/// Every value in quotes (RFC 4180), as llama-bench writes them.
static std::string csvCell(const Field &Each) {
  std::string Text;
  if (const auto *Words = std::get_if<std::string>(&Each.Value))
    for (char C : *Words)
      Text += C == '"' ? std::string("\"\"") : std::string(1, C);
  else if (const auto *Number = std::get_if<double>(&Each.Value))
    Text = formatFixed(*Number, 6);
  else if (const auto *Signed = std::get_if<int64_t>(&Each.Value))
    Text = std::to_string(*Signed);
  else
    Text = std::to_string(std::get<uint64_t>(Each.Value));
  return '"' + Text + '"';
}

std::string cli::benchCsv(const BenchSubject &Subject, const std::vector<BenchTest> &Tests) {
  std::string Header, Lines;
  for (const BenchTest &Test : Tests) {
    std::string Names, Values;
    for (const Field &Each : fieldsOf(Subject, Test)) {
      Names += (Names.empty() ? "" : ",") + std::string(Each.Name);
      Values += (Values.empty() ? "" : ",") + csvCell(Each);
    }
    Header = Names + "\n";
    Lines += Values + "\n";
  }
  return Header + Lines;
}

std::string cli::benchMarkdown(const BenchSubject &Subject, const std::vector<BenchTest> &Tests) {
  std::string Text = "| model | size | params | backend | threads | test | t/s |\n"
                     "| --- | ---: | ---: | --- | ---: | ---: | ---: |\n";
  for (const BenchTest &Test : Tests) {
    MeanAndDeviation Speed = meanAndDeviation(Test.tokensPerSecond());
    Text += "| " + Subject.ModelType + " | " + formatBytes(Subject.ModelBytes) + " | " +
            formatFixed(static_cast<double>(Subject.Parameters) / 1e6, 2) + " M | " +
            Subject.Backend + " | " + std::to_string(Subject.Threads) + " | " + Test.name() +
            " | " + formatFixed(Speed.Mean, 2) + " ± " + formatFixed(Speed.Deviation, 2) + " |\n";
  }
  return Text;
}
