//===- Llama3.cpp - Expressions in the manner of cl100k -------------------===//
//
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
//     | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// (meta-llama/llama3, llama/tokenizer.py).  Qwen 2 takes digits one by one; its
// later form, "qwen35", counts combining marks as letters.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

using namespace lathe;

template <size_t MaxDigits, bool MarksAreLetters>
static size_t matchWord(TextSpan Text, size_t Position) {
  constexpr CharSet Word = MarksAreLetters ? SetLetter | SetMark : SetLetter;
  constexpr CharSet Sign = SetAll & ~(SetSpace | SetNumber | Word);

  if (size_t Length = matchContraction(Text, Position, /*IgnoreCase=*/true))
    return Length;
  TextChar First = Text[Position];
  if (!First.isNewline() && !First.in(SetLetter | SetNumber))
    if (size_t Length = runOf(Text, Position + 1, Word))
      return 1 + Length;
  if (size_t Length = runOf(Text, Position, Word))
    return Length;
  if (size_t Length = runOf(Text, Position, SetNumber, MaxDigits))
    return Length;

  size_t Space = First.is(' ') ? 1 : 0;
  if (size_t Length = Space + runOf(Text, Position + Space, Sign); Length > Space)
    return Length + runWhile(Text, Position + Length, [](TextChar C) { return C.isNewline(); });
  if (size_t Length = matchSpacesToNewline(Text, Position))
    return Length;
  return matchSpaces(Text, Position);
}

template <size_t MaxDigits, bool MarksAreLetters>
static void split(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, matchWord<MaxDigits, MarksAreLetters>);
}

static constexpr SplitStage Llama3Stages[] = {split<3, false>};
static constexpr SplitStage Qwen2Stages[] = {split<1, false>};
static constexpr SplitStage Qwen35Stages[] = {split<1, true>};

static const PreTokenizerRegistration
    Llama3({"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0",
            "lfm2", "jina-v5-nano"},
           {.Name = {}, .Stages = Llama3Stages, .IgnoreMerges = true, .AddBos = true});
static const PreTokenizerRegistration Llama3Merged({"dbrx", "smaug-bpe", "chatglm-bpe"},
                                                   {.Name = {}, .Stages = Llama3Stages});
static const PreTokenizerRegistration
    GLM({"glm4", "glm5"}, {.Name = {}, .Stages = Llama3Stages, .IgnoreMerges = true});
static const PreTokenizerRegistration Qwen2({"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2",
                                             "megrez", "stablelm2", "hunyuan", "solar-open",
                                             "grok-2"},
                                            {.Name = {}, .Stages = Qwen2Stages});
static const PreTokenizerRegistration Qwen35({"qwen35"}, {.Name = {}, .Stages = Qwen35Stages});
