//===- FolderTokenizer.h - Tokenizers of model folders ----------*- C++ -*-===//
//
// The tokenizer that a folder in the form of Hugging Face carries: in tokenizer.json
// (huggingface/tokenizers), else in vocab.txt.  A kind (`model.type` of
// tokenizer.json) is one source file that registers itself.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_FOLDERTOKENIZER_H
#define LATHE_RUNTIME_TOKENIZER_FOLDERTOKENIZER_H

#include "runtime/formats/ModelFolder.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <memory>
#include <string_view>

namespace lathe {

/// The tokenizer of `Folder`; null and errors when it has none (E0350), is of an
/// unknown kind (E0701) or is inconsistent (E0351, E0703 to E0707, E0713).
std::unique_ptr<Tokenizer> createFolderTokenizer(const ModelFolder &Folder, Diagnostics &Diags);

/// A kind of tokenizer.  The functions report their errors and return null on any.
struct FolderTokenizerKind {
  std::string_view Name; ///< Value of `model.type`.
  std::unique_ptr<Tokenizer> (*Create)(const ModelFolder &Folder, JsonValue Root,
                                       Diagnostics &Diags);
  /// Of a folder without tokenizer.json; null for kinds that always have one.
  std::unique_ptr<Tokenizer> (*CreateFromList)(const ModelFolder &Folder, Diagnostics &Diags);
};
using FolderTokenizerRegistration = Registry<FolderTokenizerKind>::Registration;

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_FOLDERTOKENIZER_H
