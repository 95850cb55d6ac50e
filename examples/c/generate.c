/* Continues a text, choosing every token itself.
 *
 *   cc -std=c99 generate.c -llathe -o generate
 *   ./generate MODEL "The capital of France is" [TOKENS [LOGITS_FILE]]
 *
 * MODEL is a GGUF file or what `lathe compile` made of one.  With LOGITS_FILE, the logits of all
 * positions of the prompt are written to it as raw floats.  Ctrl-C ends the text early.
 *
 * The same with a model that is a library, which MODEL "-" stands for:
 *
 *   lathe compile model.gguf -o model.so
 *   cc -std=c99 -DMODEL_HEADER='"model.h"' -I . generate.c ./model.so \
 *      -Wl,-rpath,'$ORIGIN' -o generate
 */

#ifdef MODEL_HEADER
#include MODEL_HEADER
#else
#include "lathe/lathe.h"
#endif

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lathe_api *api;
static volatile sig_atomic_t stop_asked;

static void on_signal(int signal) { stop_asked = signal; }

static int32_t is_stop_asked(void *user) {
  (void)user;
  return stop_asked != 0;
}

static void print_warning(void *user, const lathe_diagnostic *warning) {
  (void)user;
  fprintf(stderr, "%s\n", warning->text);
}

/* Prints an error and gives its exit code; 0 for none. */
static int check(lathe_error *error) {
  int code = api->error_exit_code(error);
  fputs(api->error_text(error), stderr);
  api->error_destroy(error);
  return code;
}

/* Prints the text of tokens that continue a prompt. */
static int print_text(const lathe_model *model, const int32_t *tokens, size_t count) {
  size_t size = 0;
  char *text;
  /* How long is it? */
  int code = check(
      api->model_detokenize(model, tokens, count, LATHE_DETOKENIZE_CONTINUES, NULL, 0, &size));
  if (code != 0 || !(text = malloc(size + 1)))
    return code ? code : 5;
  code = check(
      api->model_detokenize(model, tokens, count, LATHE_DETOKENIZE_CONTINUES, text, size, &size));
  if (code == 0) {
    fwrite(text, 1, size, stdout);
    putchar('\n');
  }
  free(text);
  return code;
}

/* Chooses `most` tokens after the prompt, whose last logits are given. */
static int decode(const lathe_model *model, lathe_session *session, lathe_sampler *sampler,
                  float *logits, size_t vocabulary, size_t most) {
  int32_t *tokens = malloc((most + 1) * sizeof *tokens), end = -1;
  size_t count = 0;
  int code = tokens ? check(api->model_special_tokens(model, NULL, &end)) : 5;
  while (code == 0 && count < most) {
    code = check(api->sampler_sample(sampler, logits, vocabulary, &tokens[count]));
    if (code != 0 || tokens[count] == end || ++count == most)
      break;
    code = check(api->session_append(session, 0, &tokens[count - 1], 1, LATHE_LOGITS_LAST, logits,
                                     vocabulary));
  }
  /* What came before an interrupt is worth showing. */
  if (tokens && print_text(model, tokens, count) != 0 && code == 0)
    code = 1;
  free(tokens);
  return code;
}

static int write_floats(const char *path, const float *values, size_t count) {
  FILE *file = fopen(path, "wb");
  int code = file && fwrite(values, sizeof(float), count, file) == count ? 0 : 1;
  if (file && fclose(file) != 0)
    code = 1;
  return code;
}

/* Runs the prompt and goes on from it. */
static int run(const lathe_model *model, lathe_session *session, const char *prompt, size_t most,
               const char *logits_path) {
  lathe_session_info info = {sizeof info, 0, 0, 0, 0, 0};
  lathe_sampler *sampler = NULL;
  size_t count = 0, room = strlen(prompt) + 3;
  int32_t *tokens = malloc(room * sizeof *tokens);
  float *logits = NULL;
  int code = tokens ? 0 : 5;
  if (code == 0)
    code = check(api->session_info(session, &info));
  /* No text has more tokens than bytes, but for a start and an end token and a space. */
  if (code == 0)
    code = check(api->model_tokenize(model, prompt, strlen(prompt), LATHE_TOKENIZE_ADD_SPECIAL,
                                     tokens, room, &count));
  if (code == 0 && !(logits = malloc((count + 1) * (size_t)info.vocabulary * sizeof *logits)))
    code = 5;
  if (code == 0)
    code = check(api->session_append(session, 0, tokens, count, LATHE_LOGITS_ALL, logits,
                                     count * (size_t)info.vocabulary));
  if (code == 0 && logits_path)
    code = write_floats(logits_path, logits, count * (size_t)info.vocabulary);
  if (code == 0)
    code = check(api->sampler_create(NULL, &sampler));
  if (code == 0 && count > 0) {
    size_t last = (count - 1) * (size_t)info.vocabulary;
    memmove(logits, logits + last, (size_t)info.vocabulary * sizeof *logits);
    code = decode(model, session, sampler, logits, (size_t)info.vocabulary, most);
  }
  api->sampler_destroy(sampler);
  free(logits);
  free(tokens);
  return code;
}

int main(int argc, char **argv) {
  lathe_callbacks callbacks = {sizeof callbacks, NULL, print_warning, NULL, is_stop_asked};
  lathe_model_options options;
  lathe_session_options session_options = {.struct_size = sizeof session_options,
                                           .callbacks = &callbacks};
  lathe_model *model = NULL;
  lathe_session *session = NULL;
  long most = argc > 3 ? atol(argv[3]) : 16;
  int code;
  if (argc < 3 || argc > 5 || most < 0 || most > 1000000) {
    fprintf(stderr, "usage: %s MODEL PROMPT [TOKENS [LOGITS_FILE]]\n", argv[0]);
    return 2;
  }
  api = lathe_get_api(LATHE_API_VERSION);
  if (!api) {
    fprintf(stderr, "liblathe.so is older than this program\n");
    return 6;
  }
  signal(SIGINT, on_signal);
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.target = getenv("LATHE_TARGET");
  options.threads = getenv("LATHE_THREADS") ? atoi(getenv("LATHE_THREADS")) : 0;
  options.callbacks = &callbacks;
  code = check(api->model_open(strcmp(argv[1], "-") == 0 ? NULL : argv[1], &options, &model));
  if (code == 0)
    code = check(api->session_create(model, &session_options, &session));
  if (code == 0)
    code = run(model, session, argv[2], (size_t)most, argc > 4 ? argv[4] : NULL);
  api->session_destroy(session);
  api->model_destroy(model);
  return code;
}
