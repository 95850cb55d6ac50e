//===- FolderTokenizer.cpp - Tokenizers of model folders ------------------===//

#include "runtime/tokenizer/FolderTokenizer.h"

#include "runtime/support/Text.h"

using namespace lathe;

std::unique_ptr<Tokenizer> lathe::createFolderTokenizer(const ModelFolder &Folder,
                                                        Diagnostics &Diags) {
  constexpr std::string_view File = "tokenizer.json", List = "vocab.txt";
  if (Folder.has(File)) {
    std::optional<JsonDocument> Document = Folder.readJson(File, Diags);
    if (!Document)
      return nullptr;
    JsonValue Type = Document->root()["model"]["type"];
    if (auto *Kind = Registry<FolderTokenizerKind>::find(Type.text().value_or("")))
      return Kind->Create(Folder, Document->root(), Diags);
    Diags.error(701, Folder.pathOf(File) + ": key 'model.type'",
                "found " + (Type ? Type.str() : std::string("nothing")) + ", expected one of " +
                    Registry<FolderTokenizerKind>::names());
    return nullptr;
  }
  if (Folder.has(List))
    for (const FolderTokenizerKind &Kind : Registry<FolderTokenizerKind>::all())
      if (Kind.CreateFromList)
        return Kind.CreateFromList(Folder, Diags);
  Diags.error(350, Folder.path(), "found neither 'tokenizer.json' nor 'vocab.txt'",
              "fetch the model again, with its tokenizer");
  return nullptr;
}
