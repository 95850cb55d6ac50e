//===- BertNormalizer.h - Texts as BERT's tokenizer sees them ---*- C++ -*-===//
//
// BertNormalizer and BertPreTokenizer of huggingface/tokenizers, which are the
// basic tokenizer of google-research/bert: control characters go, blanks become
// spaces, CJK ideographs are words of their own, accents may go and capitals become
// small; then blanks separate words and every punctuation mark is a word.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_BERTNORMALIZER_H
#define LATHE_RUNTIME_TOKENIZER_BERTNORMALIZER_H

#include <string>
#include <string_view>
#include <vector>

namespace lathe {

struct BertNormalizer {
  bool CleansText = true;
  bool SplitsIdeographs = true;
  bool StripsAccents = true;
  bool Lowercases = true;

  /// The words of `Text`, none of them empty; bytes that are not UTF-8 are left out.
  std::vector<std::string> words(std::string_view Text) const;
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_BERTNORMALIZER_H
