//===- Logits.cpp - lathe logits --------------------------------------------===//
//
// The logits of every position, for comparison with other programs.  Rows are
// written as they are computed; only several sequences, which run interleaved
// and come out one after the other, are held in memory.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/NpyWriter.h"
#include "tools/lathe/Signals.h"

#include "runtime/support/CheckedMath.h"
#include "runtime/support/MappedMemory.h"
#include "runtime/support/Text.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

using namespace lathe;
using namespace lathe::cli;

using Sequence = std::vector<int32_t>;

/// Without --chunk, this much memory holds the logits of one call.
static constexpr size_t BlockBytes = size_t(64) << 20;

/// Reads ids between blanks and commas; ';' begins the next sequence.  Nullopt
/// with an error for anything else.
static std::optional<std::vector<Sequence>>
readSequences(std::string_view Text, std::string_view Flag, Diagnostics &Diags) {
  std::vector<Sequence> Result(1);
  while (!Text.empty()) {
    if (Text[0] == ';')
      Result.emplace_back();
    if (std::string_view(" ,;\t\r\n").find(Text[0]) != std::string_view::npos) {
      Text.remove_prefix(1);
      continue;
    }
    int32_t Id = 0;
    std::from_chars_result Read = std::from_chars(Text.data(), Text.data() + Text.size(), Id);
    if (Read.ec != std::errc() || Id < 0) {
      Diags.error(104, std::string(Flag),
                  "found " + quoted(Text, 20) + ", expected token ids from 0 to 2147483647");
      return std::nullopt;
    }
    Result.back().push_back(Id);
    Text.remove_prefix(static_cast<size_t>(Read.ptr - Text.data()));
  }
  bool AnyEmpty =
      std::any_of(Result.begin(), Result.end(), [](const Sequence &Each) { return Each.empty(); });
  if (!AnyEmpty)
    return Result;
  Diags.error(104, std::string(Flag), "found an empty sequence, expected at least one token id");
  return std::nullopt;
}

namespace {
class LogitsCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  bool checkArguments(Diagnostics &Diags) const;
  std::optional<std::vector<Sequence>> findSequences(const GGUFFile &File, std::string_view Words,
                                                     Diagnostics &Diags) const;

  ModelArguments Arguments;
  TextArguments Text;
  std::optional<std::string> Tokens, Sequences, Output, CalibrationPath;
  std::string Exit = "never";
};

/// Rows of all sequences in the order in which they run, one position of each
/// sequence after the other, and where each row's logits belong in the output.
struct Plan {
  std::vector<Row> Rows;
  std::vector<size_t> OutputRow;
};
} // namespace

static Plan planRows(const std::vector<Sequence> &All) {
  Plan Result;
  size_t Longest = 0;
  for (const Sequence &Each : All)
    Longest = std::max(Longest, Each.size());
  for (size_t Position = 0; Position < Longest; ++Position) {
    size_t First = 0;
    for (size_t S = 0; S < All.size(); First += All[S++].size()) {
      if (Position >= All[S].size())
        continue;
      Result.Rows.push_back(
          {All[S][Position], static_cast<int32_t>(Position), static_cast<int32_t>(S), true});
      Result.OutputRow.push_back(First + Position);
    }
  }
  return Result;
}

static std::optional<MappedMemory> allocateRows(size_t Rows, size_t Columns, Diagnostics &Diags) {
  std::optional<size_t> Values = checkedMul(Rows, Columns);
  std::optional<size_t> Bytes = Values ? checkedMul(*Values, sizeof(float)) : std::nullopt;
  std::optional<MappedMemory> Memory = Bytes ? MappedMemory::allocate(*Bytes) : std::nullopt;
  if (!Memory)
    Diags.error(810, "logits",
                "found no memory for " + std::to_string(Rows) + " rows of " +
                    std::to_string(Columns) + " values");
  return Memory;
}

/// Runs `Rows` in blocks and writes their logits.  Rows that may leave as `Exits` says, which
/// may be null, run alone.
static bool writeLogits(Session &Run, const Plan &Rows, size_t BlockRows, bool InOrder,
                        const ExitPlan *Exits, OutputFile &File, Terminal &Term,
                        Diagnostics &Diags) {
  size_t Columns = static_cast<size_t>(Run.resultWidth()), Total = Rows.Rows.size();
  BlockRows = Exits ? 1 : std::min(BlockRows, Total);
  std::optional<MappedMemory> Block = allocateRows(BlockRows, Columns, Diags);
  std::optional<MappedMemory> Sorted = allocateRows(InOrder ? 0 : Total, Columns, Diags);
  if (!Block || !Sorted)
    return false;
  float *Values = reinterpret_cast<float *>(Block->data());
  float *Gathered = reinterpret_cast<float *>(Sorted->data());
  NpyWriter Writer(File);
  if (!Writer.begin(Total, Columns, Diags))
    return false;
  for (size_t Start = 0; Start < Total; Start += BlockRows) {
    size_t Count = std::min(BlockRows, Total - Start);
    if (!Run.step(std::span(Rows.Rows).subspan(Start, Count), Values, Diags, 0, Exits) ||
        interrupted())
      return false;
    Term.progress("logits " + std::to_string(Start + Count) + " of " + std::to_string(Total));
    for (size_t I = 0; I < Count && !InOrder; ++I)
      std::memcpy(Gathered + Rows.OutputRow[Start + I] * Columns, Values + I * Columns,
                  Columns * sizeof(float));
    if (InOrder && !Writer.append(std::span(Values, Count * Columns), Diags))
      return false;
  }
  return InOrder || Writer.append(std::span(Gathered, Total * Columns), Diags);
}

void LogitsCommand::declare(Options &Accepted) {
  Arguments.declareModel(Accepted);
  Accepted.text(Output, "-o,--output", "FILE", "the .npy file to write; - is standard output");
  Accepted.text(Tokens, "--tokens", "IDS", "token ids, as they are");
  Accepted.text(Sequences, "--sequences", "IDS", "several, \"1 2 3;4 5\", in one batch");
  Accepted.text(Text.Prompt, "-p,--prompt", "TEXT", "a text");
  Accepted.text(Text.File, "-f,--file", "FILE", "a text, from a file (- is standard input)");
  Accepted.text(Exit, "--exit", "HOW", "leave layers early: never, always-at:LAYER, threshold:X");
  Accepted.text(CalibrationPath, "--cal", "FILE",
                "what 'lathe calibrate' wrote, for --exit and --width");
  Arguments.AnyResults = true;
  Arguments.declareLayers(Accepted);
  Arguments.declareFlags(Accepted);
}

bool LogitsCommand::checkArguments(Diagnostics &Diags) const {
  int Count = Text.count() + Tokens.has_value() + Sequences.has_value();
  if (Count != 1)
    Diags.error(Count == 0 ? 108 : 111, "lathe logits",
                "found " + std::to_string(Count) +
                    " inputs, expected one of --tokens, --sequences, -p and -f");
  if (!Output)
    Diags.error(108, "lathe logits", "found no -o, expected the name of a file to write",
                "'-o -' is standard output");
  if (Tokens && Tokens->find(';') != std::string::npos)
    Diags.error(103, "--tokens", "found ';', expected one sequence", "--sequences takes several");
  else if (Tokens)
    readSequences(*Tokens, "--tokens", Diags);
  if (Sequences)
    readSequences(*Sequences, "--sequences", Diags);
  return !Diags.hasErrors();
}

/// `Words` is the text when there is one.
std::optional<std::vector<Sequence>> LogitsCommand::findSequences(const GGUFFile &File,
                                                                  std::string_view Words,
                                                                  Diagnostics &Diags) const {
  if (Tokens)
    return readSequences(*Tokens, "--tokens", Diags);
  if (Sequences)
    return readSequences(*Sequences, "--sequences", Diags);
  std::unique_ptr<Tokenizer> Vocabulary = Tokenizer::create(File, Diags);
  if (!Vocabulary)
    return std::nullopt;
  Sequence Ids = Vocabulary->encode(Words, {true, true});
  if (!Ids.empty())
    return std::vector<Sequence>{std::move(Ids)};
  Diags.error(813, "lathe logits", "found an empty text, expected at least one token");
  return std::nullopt;
}

void LogitsCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (!checkArguments(Diags))
    return;
  std::optional<std::string> Words = Text.count() == 0 ? std::string() : Text.read(Diags);
  std::unique_ptr<OutputFile> File = OutputFile::open(*Output, *Arguments.Path, Term, Diags);
  if (!Words || !File)
    return;
  ModelInput Source = Arguments.openFile(Diags);
  if (!Source.File)
    return;
  std::optional<std::vector<Sequence>> All = findSequences(*Source.File, *Words, Diags);
  if (!All)
    return;
  size_t Longest = 0;
  for (const Sequence &Each : *All)
    Longest = std::max(Longest, Each.size());
  std::optional<Calibration> Measured;
  if (CalibrationPath) {
    Measured = Calibration::open(*CalibrationPath, Diags);
    if (!Measured || !Measured->checkModel(Source.File->headerBytes(), *CalibrationPath, Diags))
      return;
    Arguments.Exits = &*Measured;
    Arguments.Widths = &*Measured;
  }
  std::optional<LoadedModel> Loaded =
      Arguments.load(std::move(Source), static_cast<int64_t>(All->size()),
                     static_cast<int64_t>(Longest), Term, Diags);
  if (!Loaded)
    return;
  std::optional<ExitChoice> Exits =
      ExitChoice::parse(Exit, 0, 0, Loaded->Source->manifest(), Diags);
  if (!Exits)
    return;
  size_t RowBytes = static_cast<size_t>(Loaded->Run->resultWidth()) * sizeof(float);
  size_t BlockRows = Arguments.Chunk ? static_cast<size_t>(*Arguments.Chunk)
                                     : std::max<size_t>(1, BlockBytes / RowBytes);
  const ExitPlan *Leaving = Exits->Plans.empty() ? nullptr : &Exits->Plans.front();
  if (writeLogits(*Loaded->Run, planRows(*All), BlockRows, All->size() == 1, Leaving, *File, Term,
                  Diags))
    File->finish(Diags);
}

static CommandRegistration Registered({
    "logits",
    "write the logits of every position as a .npy file",
    "  lathe logits model.gguf -p \"The capital of France is\" -o france.npy\n"
    "  lathe logits model.gguf --tokens \"504 3575 282\" -t 1 --chunk 1 -o one.npy\n"
    "  lathe logits model.gguf --sequences \"1 2 3;4 5\" -o batch.npy\n",
    createCommand<LogitsCommand>,
});
