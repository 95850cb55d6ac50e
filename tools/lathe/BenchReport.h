//===- BenchReport.h - Results of `lathe bench` -----------------*- C++ -*-===//
//
// The fields carry the names that llama-bench (ggml-org/llama.cpp,
// tools/llama-bench) gives them, so that the same scripts read both.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_BENCHREPORT_H
#define LATHE_TOOLS_LATHE_BENCHREPORT_H

#include <cstdint>
#include <string>
#include <vector>

namespace lathe::cli {

/// What all tests of one call share.
struct BenchSubject {
  std::string ModelFilename;
  std::string ModelType;   ///< "llama q4_1".
  uint64_t ModelBytes = 0; ///< Of the file.
  uint64_t Parameters = 0;
  int64_t Threads = 0;
  int64_t BatchRows = 0;       ///< Rows of the largest entry.
  std::string Backend = "CPU"; ///< "CPU", "CUDA".
  std::string GPU;             ///< Its name, or empty.
  std::string CPU, Compiler, Target, Precision, KVType;
};

/// One test: prefill of Prompt tokens, or Generate tokens one by one, after
/// Depth tokens.  One of the two is 0.
struct BenchTest {
  int64_t Prompt = 0, Generate = 0, Depth = 0;
  std::string Time;                  ///< When it began, ISO 8601 in UTC.
  std::vector<uint64_t> Nanoseconds; ///< One per repetition.

  /// "pp512", "tg128", "tg64 @ d1024".
  std::string name() const;
  /// Tokens per second of each repetition.
  std::vector<double> tokensPerSecond() const;
};

struct MeanAndDeviation {
  double Mean = 0;
  double Deviation = 0; ///< Of the sample (n - 1); 0 for a single one.
};
MeanAndDeviation meanAndDeviation(const std::vector<double> &Samples);

std::string benchMarkdown(const BenchSubject &Subject, const std::vector<BenchTest> &Tests);
std::string benchJson(const BenchSubject &Subject, const std::vector<BenchTest> &Tests);
std::string benchCsv(const BenchSubject &Subject, const std::vector<BenchTest> &Tests);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_BENCHREPORT_H
