/* Two models, each a library, in one program: the logits are those of the file.
 *
 *   two MODEL.gguf
 */

#include "first.h"
#include "second.h"

#include <stdio.h>
#include <string.h>

#if FIRST_VOCABULARY != SECOND_VOCABULARY
#error "they are the same model"
#endif

static int logits_of(const lathe_api *api, const char *path, float *logits) {
  const int32_t tokens[3] = {5, 6, 7};
  lathe_model *model = NULL;
  lathe_session *session = NULL;
  lathe_error *error = api->model_open(path, NULL, &model);
  int failed;
  if (!error)
    error = api->session_create(model, NULL, &session);
  if (!error)
    error = api->session_append(session, 0, tokens, 3, LATHE_LOGITS_LAST, logits, FIRST_VOCABULARY);
  failed = error != NULL;
  if (failed)
    fputs(api->error_text(error), stderr);
  api->error_destroy(error);
  api->session_destroy(session);
  api->model_destroy(model);
  return failed;
}

int main(int argc, char **argv) {
  const lathe_api *first = first_model(LATHE_API_VERSION),
                  *second = second_model(LATHE_API_VERSION);
  float logits[3][FIRST_VOCABULARY];
  if (argc != 2 || !first || !second || first == second)
    return 2;
  /* The newer version of the interface does not exist. */
  if (first_model(LATHE_API_VERSION + 1))
    return 3;
  if (logits_of(first, NULL, logits[0]) || logits_of(second, NULL, logits[1]) ||
      logits_of(second, argv[1], logits[2]))
    return 1;
  return memcmp(logits[0], logits[1], sizeof logits[0]) != 0 ||
         memcmp(logits[0], logits[2], sizeof logits[0]) != 0;
}
