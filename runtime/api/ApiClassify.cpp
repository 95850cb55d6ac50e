//===- ApiClassify.cpp - Classifiers of lathe.h -----------------*- C++ -*-===//

#include "runtime/api/Api.h"

#include "runtime/classify/TextClassifier.h"

using namespace lathe;
using namespace lathe::api;

/// The model must outlive what runs on it.
struct lathe_classifier {
  std::shared_ptr<SharedModel> Of;
  std::unique_ptr<TextClassifier> Run;
};

/// The file, or what the model was opened with where `Path` is null.
static std::optional<ClassifierFile> readFile(const char *Path, const SharedModel &Of,
                                              const Encoder &Model, Diagnostics &Diags) {
  if (!Path && !Of.Heads)
    Diags.error(108, "path", "found NULL and a model that carries no classifier, expected a file",
                "'lathe compile --cal' puts a classifier into an artefact");
  if (!Path)
    return Of.Heads;
  std::optional<ClassifierFile> File = ClassifierFile::open(Path, Diags);
  return File && File->checkModel(Model, Path, Diags) ? std::move(File) : std::nullopt;
}

static lathe_error *open(const lathe_model *Of, const char *Path, lathe_classifier **Out) {
  auto Body = [&](Diagnostics &Diags) {
    if (!checkGiven(Of, "model", Diags) || !checkGiven(Out, "classifier", Diags))
      return false;
    Encoder *Model = findEncoder(*Of, Diags);
    std::optional<ClassifierFile> File;
    if (Model)
      File = readFile(Path, *Of->Shared, *Model, Diags);
    if (!File)
      return false;
    *Out = new lathe_classifier{Of->Shared,
                                std::make_unique<TextClassifier>(*Model, std::move(*File))};
    return true;
  };
  return guarded(Body, Of ? &Of->Shared->Told : nullptr);
}

static lathe_error *label(const lathe_classifier *Of, int32_t Label, const char **Name) {
  return guarded([&](Diagnostics &Diags) {
    if (!checkGiven(Of, "classifier", Diags) || !checkGiven(Name, "name", Diags))
      return false;
    const std::vector<std::string> &Labels = Of->Run->file().Labels;
    if (Label >= 0 && static_cast<size_t>(Label) < Labels.size()) {
      *Name = Labels[static_cast<size_t>(Label)].c_str();
      return true;
    }
    Diags.error(839, "label",
                "found " + std::to_string(Label) + ", expected 0 to " +
                    std::to_string(Labels.size() - 1));
    return false;
  });
}

static void fill(const Classification &From, const lathe_classify_results &To, size_t Index) {
  if (To.labels)
    To.labels[Index] = static_cast<int32_t>(From.Said.Label);
  if (To.probabilities)
    To.probabilities[Index] = From.Said.Probability;
  if (To.layers)
    To.layers[Index] = static_cast<int32_t>(From.Depth);
  if (To.seconds)
    To.seconds[Index] = From.Seconds;
}

static lathe_error *classify(const lathe_classifier *Of, const lathe_text *Texts, size_t Count,
                             int32_t Exit, const lathe_classify_results *Results) {
  auto Body = [&](Diagnostics &Diags) {
    if (!checkGiven(Of, "classifier", Diags) || !checkTexts(Texts, Count, Diags) ||
        !checkGiven(Results, "results", Diags) ||
        !checkChoice("exit", Exit, LATHE_EXIT_NEVER, Diags))
      return false;
    auto Raw = readStruct(Results, "lathe_classify_results", sizeof(*Results), Diags);
    if (!Raw)
      return false;
    ExitPolicy Policy = Exit == LATHE_EXIT_NEVER ? ExitPolicy::Never : ExitPolicy::Auto;
    std::vector<std::string_view> Views = viewTexts(Texts, Count);
    std::vector<std::vector<int32_t>> Tokens = Of->Run->tokenize(Views, Diags);
    std::lock_guard<std::mutex> Turn(Of->Of->Encoding);
    std::optional<std::vector<Classification>> Found = Of->Run->classify(Tokens, Policy, Diags);
    for (size_t I = 0; Found && I < Found->size(); ++I)
      fill((*Found)[I], *Raw, I);
    return Found.has_value();
  };
  return guarded(Body, Of ? &Of->Of->Told : nullptr);
}

void api::addClassifying(lathe_api &Table) {
  Table.classifier_open = open;
  Table.classifier_destroy = [](lathe_classifier *Of) { delete Of; };
  Table.classifier_label = label;
  Table.classifier_classify = classify;
}
