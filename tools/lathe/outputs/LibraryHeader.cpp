//===- LibraryHeader.cpp - The C header of a model's library ----------------===//

#include "tools/lathe/outputs/LibraryHeader.h"
#include "tools/lathe/outputs/LatheHeaderText.h"

#include "runtime/support/MappedFile.h"
#include "runtime/support/Text.h"

#include <unistd.h>

using namespace lathe;
using namespace lathe::cli;

/// What every header begins with.
static constexpr std::string_view FirstLine = "/* Made by `lathe compile`.";

bool cli::checkHeaderPlace(const std::string &Path, Diagnostics &Diags) {
  if (access(Path.c_str(), F_OK) != 0)
    return true;
  std::unique_ptr<MappedFile> Found = MappedFile::open(Path, Diags);
  if (!Found)
    return false;
  std::string_view Text(reinterpret_cast<const char *>(Found->bytes().data()),
                        Found->bytes().size());
  if (Text.starts_with(FirstLine))
    return true;
  Diags.error(215, Path, "found a file of somebody else's where the library's header belongs",
              "move it, or give the library another name");
  return false;
}

/// A C string literal of at most 255 bytes, which is what C99 promises to take.
static std::string literal(std::string_view Text) {
  std::string Result = "\"";
  for (char C : Text.substr(0, 255)) {
    auto Byte = static_cast<unsigned char>(C);
    // A question mark may begin a trigraph, and a byte is no character of C.
    if (C == '"' || C == '\\' || C == '?')
      Result.append("\\").append(1, C);
    else if (Byte >= 0x20 && Byte < 0x7f)
      Result += C;
    else
      for (int Shift : {6, 3, 0})
        Result.append(Shift == 6 ? "\\" : "").append(1, char('0' + (Byte >> Shift & 7)));
  }
  return Result + "\"";
}

/// The file's name as the beginning of a macro's: "my-model.so" is MY_MODEL.
static std::string macroPrefix(std::string_view File) {
  std::string Prefix;
  for (char C : File.substr(0, File.find('.'))) {
    bool Lower = C >= 'a' && C <= 'z', Upper = C >= 'A' && C <= 'Z', Digit = C >= '0' && C <= '9';
    Prefix += Lower ? char(C - 'a' + 'A') : Upper || Digit ? C : '_';
  }
  // Names that begin otherwise are not ours to give.
  return Prefix.empty() || Prefix[0] < 'A' || Prefix[0] > 'Z' ? "MODEL_" + Prefix : Prefix;
}

static std::string joined(const std::vector<std::string> &Words) {
  std::string Text;
  for (const std::string &Word : Words)
    Text += (Text.empty() ? "" : ",") + Word;
  return Text;
}

static std::string modelMacros(const std::string &Prefix, const Package &Made) {
  const ManifestModel &Model = Made.manifest().Model;
  std::string Text;
  auto Define = [&](std::string_view Name, std::string Value, std::string_view Comment = {}) {
    Text.append("#define ").append(Prefix).append("_").append(Name).append(" ").append(Value);
    Text.append(Comment.empty() ? "" : " /* ").append(Comment);
    Text.append(Comment.empty() ? "\n" : " */\n");
  };
  Define("NAME", literal(Made.name()));
  Define("ARCHITECTURE", literal(Model.Architecture));
  Define("VOCABULARY", std::to_string(Model.Vocabulary), "tokens are below it");
  Define("CONTEXT", std::to_string(Model.Context), "positions it was trained for");
  Define("LAYERS", std::to_string(Model.Layers));
  Define("EMBEDDING", std::to_string(Model.Embedding));
  Define("TARGETS", literal(joined(Made.targets())), "the best is chosen when it is opened");
  Define("PRECISION", literal(Made.manifest().Precision));
  Define("HASH", literal(Made.source().HeaderHash),
         "of the model file's header, see docs/artefact.md");
  Define("BYTES", std::to_string(Made.source().FileBytes) + "u", "of the model file");
  Define("HAS_WEIGHTS", Made.hasWeights() ? "1" : "0", "0: they are read from the model file");
  Define("IS_ENCODER", Made.manifest().isEncoder() ? "1" : "0", "0: it generates text");
  Define("HAS_CLASSIFIER", Made.hasClassifier() ? "1" : "0",
         "1: classifier_open(model, NULL, ...)");
  return Text;
}

std::string cli::libraryHeader(const LibraryNames &Names, const Package &Made) {
  std::string Prefix = macroPrefix(Names.File), Guard = "LATHE_MODEL_" + Prefix + "_H";
  std::string Text(FirstLine);
  Text += "  The model and the runtime are in the library " + Names.File +
          ":\n *\n"
          " *   cc -std=c99 program.c ./" +
          Names.File +
          " -Wl,-rpath,'$ORIGIN' -o program\n *\n"
          " *   const lathe_api *api = " +
          Names.Entry +
          "(LATHE_API_VERSION);\n"
          " *   lathe_model *model = NULL;\n"
          " *   lathe_error *error = api->model_open(NULL, NULL, &model);\n *\n"
          " * NULL stands for the model of the library.  All else is as lathe.h says,\n"
          " * which follows; what the model is stands behind it.\n */\n\n";
  Text += LatheHeaderText;
  Text += "\n#ifndef " + Guard + "\n#define " + Guard + "\n\n" + modelMacros(Prefix, Made) +
          "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
          "/* The function of this library: lathe_get_api of lathe.h. */\n"
          "const lathe_api *" +
          Names.Entry + "(uint32_t version);\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* " +
          Guard + " */\n";
  return Text;
}
