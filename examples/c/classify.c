/* Says what texts are, with the classifier that a model's library or artefact carries.
 *
 *   lathe compile minilm --cal topics.cal --embed-weights -o topics.lathe
 *   cc -std=c99 classify.c -llathe -o classify
 *   ./classify topics.lathe "A chess program for the terminal" "A web server"
 *
 * The same with a model that is a library, which MODEL "-" stands for:
 *
 *   lathe compile minilm --cal topics.cal --embed-weights -o topics.so
 *   cc -std=c99 -DMODEL_HEADER='"topics.h"' -I . classify.c ./topics.so \
 *      -Wl,-rpath,'$ORIGIN' -o classify
 */

#ifdef MODEL_HEADER
#include MODEL_HEADER
#else
#include "lathe/lathe.h"
#endif

#include <stdio.h>
#include <string.h>

static const lathe_api *api;

/* Prints an error and gives its exit code; 0 for none. */
static int check(lathe_error *error) {
  int code = api->error_exit_code(error);
  fputs(api->error_text(error), stderr);
  api->error_destroy(error);
  return code;
}

/* Prints the label of a text, how likely it is, and how many layers ran. */
static int classify(const lathe_classifier *classifier, const char *words) {
  lathe_text text;
  int32_t label = 0, layers = 0;
  float probability = 0;
  const char *name = NULL;
  lathe_classify_results results;
  int code;
  text.bytes = words;
  text.size = strlen(words);
  memset(&results, 0, sizeof(results));
  results.struct_size = sizeof(results);
  results.labels = &label;
  results.probabilities = &probability;
  results.layers = &layers;
  code = check(api->classifier_classify(classifier, &text, 1, LATHE_EXIT_AUTO, &results));
  if (code == 0)
    code = check(api->classifier_label(classifier, label, &name));
  if (code == 0)
    printf("%s\t%.3f\t%d\t%s\n", name, probability, (int)layers, words);
  return code;
}

int main(int count, char **arguments) {
  lathe_model *model = NULL;
  lathe_classifier *classifier = NULL;
  int code, i;
  if (count < 3) {
    fprintf(stderr, "usage: %s MODEL TEXT...\n", arguments[0]);
    return 2;
  }
  api = lathe_get_api(LATHE_API_VERSION);
  if (!api) {
    fputs("the library has another version than this program\n", stderr);
    return 6;
  }
  code = check(api->model_open(strcmp(arguments[1], "-") ? arguments[1] : NULL, NULL, &model));
  if (code == 0)
    code = check(api->classifier_open(model, NULL, &classifier));
  for (i = 2; code == 0 && i < count; ++i)
    code = classify(classifier, arguments[i]);
  api->classifier_destroy(classifier);
  api->model_destroy(model);
  return code;
}
