//===- GPT2.cpp - The expression of GPT-2 and what is built on it ---------===//
//
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// (openai/gpt-2, encoder.py), alone, after cutting off each digit, or, in older
// files that name no pre-tokeniser and in Falcon, after punctuation.
//
//===----------------------------------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

using namespace lathe;

/// [\p{P}\$\+<=>\^~\|]+ , with the backtick too if `Backtick`.
template <bool Backtick> static void splitPunctuation(TextSpan Text, std::vector<size_t> &Lengths) {
  splitByMatch(Text, Lengths, [](TextSpan T, size_t P) {
    return runWhile(T, P, [](TextChar C) {
      return C.in(SetPunctuation) || (Backtick && C.is('`')) || C.is('$') || C.is('+') ||
             (C.value() >= '<' && C.value() <= '>') || C.is('^') || C.is('~') || C.is('|');
    });
  });
}

static constexpr SplitStage GPT2Stages[] = {splitGPT2};
static constexpr SplitStage DigitsStages[] = {splitNumbers<1>, splitGPT2};
static constexpr SplitStage DefaultStages[] = {splitPunctuation<false>, splitGPT2,
                                               splitNumbers<size_t(-1)>, splitDigitTriples};
static constexpr SplitStage FalconStages[] = {splitPunctuation<true>, splitGPT2, splitDigitTriples};

static const PreTokenizerRegistration
    GPT2({"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "gigachat", "a.x-4.0",
          "mellum", "modern-bert", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4"},
         {.Name = {}, .Stages = GPT2Stages});
static const PreTokenizerRegistration Digits({"smollm", "starcoder", "refact", "command-r",
                                              "codeshell", "exaone", "minerva-7b", "mellum2"},
                                             {.Name = {}, .Stages = DigitsStages});
static const PreTokenizerRegistration Default({"default"}, {.Name = {}, .Stages = DefaultStages});
static const PreTokenizerRegistration Falcon({"falcon"}, {.Name = {}, .Stages = FalconStages});
