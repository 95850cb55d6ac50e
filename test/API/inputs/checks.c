/* What lathe.h promises, tried one by one on a tiny model:
 *
 *   checks MODEL.gguf CASE
 *
 * Prints a line for every broken promise; the exit code tells whether there was
 * one.  The tiny model has 300 tokens and a byte-level vocabulary. */

#include "checks.h"

#include <pthread.h>
#include <sys/resource.h>

static void check_versions(void) {
  EXPECT(lathe_get_api(0) == NULL);
  EXPECT(lathe_get_api(LATHE_API_VERSION + 1) == NULL);
  EXPECT(lathe_get_api(LATHE_API_VERSION + 0x10000) == NULL);
  EXPECT(api->struct_size >= sizeof *api && api->major == LATHE_API_MAJOR);
  EXPECT(api->version()[0] >= '0' && api->version()[0] <= '9');
}

/* An option struct with room for a member that only a newer library has. */
typedef struct newer_options {
  lathe_model_options known;
  int64_t unknown;
} newer_options;

static void check_open_errors(void) {
  lathe_model *model = NULL;
  lathe_model_options options = model_options();
  newer_options newer;
  lathe_error *error = api->model_open("/no/such/model.gguf", &options, &model);
  EXPECT(api->error_exit_code(error) == 2);
  EXPECT(strstr(api->error_text(error), "error[E0201]: /no/such/model.gguf") != NULL);
  EXPECT(number_of(error) == 201);
  EXPECT(number_of(api->model_open(NULL, &options, &model)) == 822);
  EXPECT(number_of(api->model_open(path, &options, NULL)) == 822);
  EXPECT(number_of(api->model_open("/dev/null", &options, &model)) == 202);
  options.struct_size = 0;
  error = api->model_open(path, &options, &model);
  EXPECT(strstr(api->error_diagnostic(error, 0)->hint, "sizeof(lathe_model_options)") != NULL);
  EXPECT(number_of(error) == 820);
  options = model_options();
  options.flags = 64;
  EXPECT(number_of(api->model_open(path, &options, &model)) == 821);
  options = model_options();
  options.threads = -1;
  EXPECT(number_of(api->model_open(path, &options, &model)) == 812);
  options = model_options();
  options.precision = "fp8";
  options.flags = LATHE_MODEL_NO_CACHE;
  EXPECT(number_of(api->model_open(path, &options, &model)) != 0);
  newer.known = model_options();
  newer.known.struct_size = sizeof newer;
  newer.unknown = 1;
  error = api->model_open(path, &newer.known, &model);
  EXPECT(api->error_exit_code(error) == 6);
  EXPECT(number_of(error) == 821);
  EXPECT(model == NULL);
  newer.unknown = 0;
  EXPECT(number_of(api->model_open(path, &newer.known, &model)) == 0);
  api->model_destroy(model);
}

static void check_information(lathe_model *model, lathe_session *session) {
  lathe_model_info info = {sizeof info, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  lathe_session_info about = {sizeof about, 0, 0, 0, 0, 0};
  int32_t start = 0, end = 0;
  EXPECT(number_of(api->model_info(model, &info)) == 0);
  EXPECT(info.vocabulary == Vocabulary && info.threads == 2 && info.weight_bytes > 0);
  EXPECT(strcmp(info.architecture, "llama") == 0 && strcmp(info.precision, "auto") == 0);
  EXPECT(number_of(api->session_info(session, &about)) == 0);
  EXPECT(about.capacity == 256 && about.sequences == 3 && about.vocabulary == Vocabulary);
  EXPECT(number_of(api->model_special_tokens(model, &start, &end)) == 0);
  EXPECT(start == 1 && end == 2);
  info.struct_size = 8;
  EXPECT(number_of(api->model_info(model, &info)) == 820);
  EXPECT(number_of(api->model_info(NULL, &info)) == 822);
  EXPECT(number_of(api->session_info(session, NULL)) == 822);
}

static void check_text(lathe_model *model) {
  const char *text = "Hello, world";
  int32_t tokens[64];
  char back[64];
  size_t count = 0, size = 0;
  EXPECT(number_of(api->model_tokenize(model, text, strlen(text), 0, tokens, 64, &count)) == 0);
  EXPECT(count > 0 && count <= strlen(text));
  EXPECT(number_of(api->model_detokenize(model, tokens, count, 0, back, 64, &size)) == 0);
  EXPECT(size == strlen(text) && memcmp(back, text, size) == 0);
  /* Too little room: as much as fits, and how much there is. */
  tokens[2] = -7;
  EXPECT(number_of(api->model_tokenize(model, text, strlen(text), 0, tokens, 2, &size)) == 0);
  EXPECT(size == count && tokens[2] == -7);
  EXPECT(number_of(api->model_tokenize(model, NULL, 0, 0, NULL, 0, &size)) == 0 && size == 0);
  EXPECT(number_of(api->model_tokenize(model, NULL, 3, 0, tokens, 64, &size)) == 822);

  /* No encoder, and so no classifier. */
  lathe_classifier *classifier = NULL;
  EXPECT(number_of(api->classifier_open(model, "none.cal", &classifier)) == 834);
  EXPECT(number_of(api->classifier_open(model, NULL, &classifier)) == 834);
  EXPECT(number_of(api->classifier_open(NULL, "none.cal", &classifier)) == 822);
  EXPECT(number_of(api->classifier_classify(NULL, NULL, 0, LATHE_EXIT_AUTO, NULL)) == 822);
  EXPECT(classifier == NULL);
  api->classifier_destroy(NULL);
  EXPECT(number_of(api->model_tokenize(model, text, 3, 16, tokens, 64, &size)) == 821);
  tokens[0] = Vocabulary;
  EXPECT(number_of(api->model_detokenize(model, tokens, 1, 0, back, 64, &size)) == 801);
}

/* The same tokens in one call, in rows of two sequences, and one by one. */
static void check_steps(lathe_session *session) {
  const int32_t tokens[3] = {5, 6, 7};
  const lathe_row rows[4] = {{5, 0, 1, 0}, {9, 0, 2, 1}, {6, 1, 1, 0}, {7, 2, 1, 1}};
  float *all = calloc(3 * Vocabulary, sizeof *all), *mixed = calloc(2 * Vocabulary, sizeof *mixed);
  float last[Vocabulary];
  int64_t length = -1;
  EXPECT(number_of(api->session_append(session, 0, tokens, 3, LATHE_LOGITS_ALL, all,
                                       3 * Vocabulary)) == 0);
  EXPECT(number_of(api->session_step(session, rows, 4, mixed, 2 * Vocabulary)) == 0);
  EXPECT(memcmp(all + 2 * Vocabulary, mixed + Vocabulary, Vocabulary * sizeof *all) == 0);
  EXPECT(memcmp(all, mixed, Vocabulary * sizeof *all) != 0);
  EXPECT(number_of(api->session_truncate(session, 0, 1)) == 0);
  /* One row that wants no logits, with no memory for any. */
  EXPECT(number_of(api->session_append(session, 0, tokens + 1, 1, 0, NULL, 0)) == 0);
  EXPECT(number_of(api->session_length(session, 0, &length)) == 0 && length == 2);
  EXPECT(number_of(api->session_append(session, 0, tokens + 2, 1, LATHE_LOGITS_LAST, last,
                                       Vocabulary)) == 0);
  EXPECT(memcmp(all + 2 * Vocabulary, last, sizeof last) == 0);
  free(all);
  free(mixed);
}

static void check_step_errors(lathe_session *session) {
  const int32_t bad = Vocabulary, good = 1;
  const lathe_row gap = {1, 200, 0, 0}, nowhere = {1, 0, 9, 0};
  float logits[Vocabulary];
  int64_t length = 0;
  EXPECT(number_of(api->session_append(session, 0, &bad, 1, 0, NULL, 0)) == 801);
  EXPECT(number_of(api->session_append(session, 3, &good, 1, 0, NULL, 0)) == 803);
  EXPECT(number_of(api->session_append(session, 0, &good, 1, 1, NULL, 0)) == 822);
  EXPECT(number_of(api->session_append(session, 0, &good, 1, 1, logits, Vocabulary - 1)) == 804);
  EXPECT(number_of(api->session_append(session, 0, &good, 1, 7, NULL, 0)) == 821);
  EXPECT(number_of(api->session_step(session, &gap, 1, NULL, 0)) == 802);
  EXPECT(number_of(api->session_step(session, &nowhere, 1, NULL, 0)) == 803);
  EXPECT(number_of(api->session_step(NULL, &gap, 1, NULL, 0)) == 822);
  EXPECT(number_of(api->session_length(session, -1, &length)) == 803);
  EXPECT(number_of(api->session_truncate(session, 3, 0)) == 803);
}

static void check_create_errors(lathe_model *model) {
  lathe_session *session = NULL;
  lathe_sampler *sampler = NULL;
  lathe_session_options options = {.struct_size = sizeof options, .capacity = -1, .sequences = 1};
  lathe_sampler_options sampling = {sizeof sampling, -1, 0, 0, 0, 0};
  lathe_callbacks callbacks = {0, NULL, NULL, NULL, NULL};
  EXPECT(number_of(api->session_create(model, &options, &session)) == 805);
  options.capacity = 0;
  options.callbacks = &callbacks;
  EXPECT(number_of(api->session_create(model, &options, &session)) == 820);
  EXPECT(number_of(api->session_create(NULL, NULL, &session)) == 822);
  EXPECT(number_of(api->sampler_create(&sampling, &sampler)) == 808);
  sampling.struct_size = 4;
  EXPECT(number_of(api->sampler_create(&sampling, &sampler)) == 820);
  EXPECT(session == NULL && sampler == NULL);
}

static void check_sampler(void) {
  const float logits[4] = {0, 3, 1, 3}, bad[2] = {0, (float)1e38 * 100};
  lathe_sampler_options options = {sizeof options, 1, 3, 0.9, 0, 7};
  lathe_sampler *greedy = NULL, *first = NULL, *second = NULL;
  int32_t token = -1, other = -1;
  EXPECT(number_of(api->sampler_create(NULL, &greedy)) == 0);
  EXPECT(number_of(api->sampler_sample(greedy, logits, 4, &token)) == 0 && token == 1);
  EXPECT(number_of(api->sampler_sample(greedy, bad, 2, &token)) == 809 && token == 1);
  EXPECT(number_of(api->sampler_create(&options, &first)) == 0);
  EXPECT(number_of(api->sampler_create(&options, &second)) == 0);
  for (int i = 0; i < 50; ++i) {
    EXPECT(number_of(api->sampler_sample(first, logits, 4, &token)) == 0);
    EXPECT(number_of(api->sampler_sample(second, logits, 4, &other)) == 0);
    EXPECT(token == other && token != 0);
  }
  api->sampler_destroy(greedy);
  api->sampler_destroy(first);
  api->sampler_destroy(second);
}

/* Memory that is counted, and given at addresses that show a wrong alignment. */
typedef struct counted {
  size_t bytes, blocks, peak, limit;
} counted;

static void *count_allocate(void *user, size_t bytes, size_t alignment) {
  counted *all = user;
  void *memory = NULL;
  EXPECT(alignment >= 64 && (alignment & (alignment - 1)) == 0);
  if (all->bytes + bytes > all->limit || posix_memalign(&memory, alignment, bytes) != 0)
    return NULL;
  /* The library must not count on zeros. */
  memset(memory, 0x7f, bytes);
  all->bytes += bytes;
  all->peak = all->bytes > all->peak ? all->bytes : all->peak;
  ++all->blocks;
  return memory;
}

static void count_deallocate(void *user, void *memory, size_t bytes) {
  counted *all = user;
  free(memory);
  all->bytes -= bytes;
  --all->blocks;
}

/* All of a session's memory comes from the caller, goes back to him, and the logits are the same.
 */
static void check_allocator(lathe_model *model) {
  counted all = {0, 0, 0, (size_t)-1};
  lathe_allocator allocator = {sizeof allocator, NULL, count_allocate, count_deallocate};
  lathe_session_options options = {.struct_size = sizeof options, .capacity = 256, .sequences = 2};
  lathe_session_info info = {sizeof info, 0, 0, 0, 0, 0};
  lathe_session *plain = open_session(model, NULL, 0), *session = NULL;
  const int32_t tokens[3] = {5, 6, 7};
  float expected[Vocabulary], found[Vocabulary];
  lathe_error *error;
  allocator.user = &all;
  options.allocator = &allocator;
  EXPECT(number_of(api->session_append(plain, 0, tokens, 3, 1, expected, Vocabulary)) == 0);
  EXPECT(number_of(api->session_create(model, &options, &session)) == 0);
  EXPECT(number_of(api->session_info(session, &info)) == 0);
  EXPECT(all.blocks > 0 && all.bytes == (size_t)(info.kv_bytes + info.work_bytes));
  for (int i = 0; i < 2; ++i) {
    EXPECT(number_of(api->session_append(session, 1, tokens, 3, 1, found, Vocabulary)) == 0);
    EXPECT(memcmp(expected, found, sizeof found) == 0);
    EXPECT(number_of(api->session_truncate(session, 1, 0)) == 0);
  }
  api->session_destroy(session);
  EXPECT(all.bytes == 0 && all.blocks == 0);
  /* No more than all but one byte of it. */
  all.limit = all.peak - 1;
  session = NULL;
  error = api->session_create(model, &options, &session);
  EXPECT(api->error_exit_code(error) == 5);
  EXPECT(number_of(error) == 810 && session == NULL && all.bytes == 0 && all.blocks == 0);
  allocator.deallocate = NULL;
  EXPECT(number_of(api->session_create(model, &options, &session)) == 822);
  allocator.struct_size = 3;
  EXPECT(number_of(api->session_create(model, &options, &session)) == 820);
  api->session_destroy(plain);
}

/* A step of ten chunks is stopped after four, and goes on from there. */
static void check_cancel(lathe_model *model) {
  told all = {0, 0, 0, 4};
  lathe_callbacks callbacks = {sizeof callbacks, NULL, NULL, on_progress, on_cancel};
  lathe_session *session;
  int32_t tokens[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  float whole[Vocabulary], parts[Vocabulary];
  int64_t length = 0;
  lathe_error *error;
  callbacks.user = &all;
  session = open_session(model, &callbacks, 1);
  error = api->session_append(session, 0, tokens, 10, 1, parts, Vocabulary);
  EXPECT(api->error_exit_code(error) == 130);
  EXPECT(number_of(error) == 807 && all.progress == 5 && all.most == 10);
  EXPECT(number_of(api->session_length(session, 0, &length)) == 0 && length == 4);
  all.cancel_after = -1;
  EXPECT(number_of(api->session_append(session, 0, tokens + 4, 6, 1, parts, Vocabulary)) == 0);
  EXPECT(number_of(api->session_append(session, 1, tokens, 10, 1, whole, Vocabulary)) == 0);
  EXPECT(memcmp(whole, parts, sizeof whole) == 0);
  api->session_destroy(session);
}

static void check_cancel_open(void) {
  for (int64_t after = 0; after < 3; ++after) {
    told all = {0, 0, 0, 0};
    lathe_callbacks callbacks = {sizeof callbacks, NULL, NULL, on_progress, on_cancel};
    lathe_model_options options = model_options();
    lathe_model *model = NULL;
    all.cancel_after = after;
    callbacks.user = &all;
    options.callbacks = &callbacks;
    EXPECT(number_of(api->model_open(path, &options, &model)) == 807 && model == NULL);
    EXPECT(all.progress == after + 1);
  }
}

typedef struct stream {
  int32_t tokens[16];
  size_t count, most;
  lathe_session *session; /* Called from inside, which must fail. */
} stream;

static int32_t on_token(void *user, int32_t token, const char *text, size_t size) {
  stream *all = user;
  EXPECT(text[size] == 0);
  if (token >= 0 && all->count < 16)
    all->tokens[all->count++] = token;
  if (all->session)
    EXPECT(number_of(api->session_truncate(all->session, 0, 0)) == 815);
  return all->count == all->most;
}

/* Guessing changes how fast tokens come and never which; a struct of version 1.0 is
 * one that does not say. */
static void check_speculation(lathe_session *session, lathe_generate_options options,
                              const stream *expected) {
  const int32_t prompt[3] = {5, 6, 7};
  const char *kinds[4] = {"off", "auto", "ngram", "ngram:7"};
  lathe_generate_result result;
  size_t kind, old = offsetof(lathe_generate_result, steps);
  for (kind = 0; kind <= 4; ++kind) {
    stream found = {{0}, 0, 99, NULL};
    memset(&result, 0xff, sizeof result);
    result.struct_size = kind < 4 ? sizeof result : old;
    options.struct_size = kind < 4 ? sizeof options : offsetof(lathe_generate_options, speculate);
    options.speculate = kinds[kind % 4];
    EXPECT(number_of(api->session_truncate(session, 0, 0)) == 0);
    EXPECT(number_of(api->generate(session, prompt, 3, &options, on_token, &found, &result)) == 0);
    EXPECT(found.count == 8 && memcmp(found.tokens, expected->tokens, sizeof found.tokens) == 0);
    EXPECT(result.tokens == 8 && (kind == 4 ? result.accepted == -1 : result.steps > 0));
    EXPECT(kind == 4 || result.steps + result.accepted == 7);
    EXPECT(kind != 0 || (result.rounds == 0 && result.drafted == 0));
  }
}

static void check_generate(lathe_session *session) {
  const int32_t prompt[3] = {5, 6, 7};
  lathe_generate_options options = {
      .struct_size = sizeof options, .max_tokens = 8, .flags = LATHE_GENERATE_IGNORE_END};
  lathe_generate_result result;
  lathe_generation *generation = NULL;
  lathe_piece piece = {sizeof piece, 0, 0, NULL, 0};
  stream all = {{0}, 0, 99, NULL}, few = {{0}, 0, 3, NULL};
  size_t pulled = 0, layers = 99;
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  all.session = session;
  EXPECT(number_of(api->generate(session, prompt, 3, &options, on_token, &all, &result)) == 0);
  EXPECT(result.stop == LATHE_STOP_TOKENS && result.tokens == 8 && all.count == 8);
  EXPECT(result.prompt_tokens == 3 && result.end_token == -1);
  EXPECT(number_of(api->session_truncate(session, 0, 0)) == 0);
  EXPECT(number_of(api->generate(session, prompt, 3, &options, on_token, &few, &result)) == 0);
  EXPECT(result.stop == LATHE_STOP_CALLBACK && result.tokens == 3);
  EXPECT(memcmp(few.tokens, all.tokens, 3 * sizeof(int32_t)) == 0);
  check_speculation(session, options, &all);
  /* The same, asked for; the session may go before its generation. */
  options.sequence = 1;
  EXPECT(number_of(api->generation_start(session, prompt, 3, &options, &generation)) == 0);
  api->session_destroy(session);
  while (number_of(api->generation_next(generation, &piece)) == 0 && !piece.ended)
    if (piece.token >= 0 && pulled < 16)
      EXPECT(piece.token == all.tokens[pulled++]);
  EXPECT(pulled == 8 && piece.token == -1 && piece.text_size == 0);
  EXPECT(number_of(api->generation_result(generation, &result)) == 0);
  EXPECT(result.stop == LATHE_STOP_TOKENS && result.tokens == 8);
  /* Nothing was measured of it, and it has no exits. */
  EXPECT(result.expected_time != result.expected_time && result.exit_bytes == 0);
  EXPECT(result.expected_agreement != result.expected_agreement);
  EXPECT(number_of(api->generation_exits(generation, NULL, 0, &layers)) == 0 && layers == 0);
  EXPECT(number_of(api->generation_exits(generation, NULL, 4, &layers)) == 822);
  EXPECT(number_of(api->generation_exits(generation, NULL, 0, NULL)) == 822);
  piece.struct_size = 0;
  EXPECT(number_of(api->generation_next(generation, &piece)) == 820);
  api->generation_destroy(generation);
}

static void check_generate_errors(lathe_model *model) {
  lathe_session *session = open_session(model, NULL, 0);
  const int32_t prompt[300] = {1};
  lathe_generate_options options = {.struct_size = sizeof options, .max_tokens = 8, .sequence = 7};
  lathe_generate_result result;
  int64_t length = 0;
  memset(&result, 0, sizeof result);
  EXPECT(number_of(api->generate(session, prompt, 1, &options, NULL, NULL, NULL)) == 803);
  options.sequence = 0;
  EXPECT(number_of(api->generate(session, prompt, 0, &options, NULL, NULL, NULL)) == 813);
  EXPECT(number_of(api->generate(session, prompt, 300, &options, NULL, NULL, NULL)) == 814);
  EXPECT(number_of(api->generate(session, NULL, 1, &options, NULL, NULL, NULL)) == 822);
  EXPECT(number_of(api->generate(session, prompt, 1, &options, NULL, NULL, &result)) == 820);
  options.flags = 2;
  EXPECT(number_of(api->generate(session, prompt, 1, &options, NULL, NULL, NULL)) == 821);
  options.flags = 0;
  options.speculate = "ngram:8";
  EXPECT(number_of(api->generate(session, prompt, 1, &options, NULL, NULL, NULL)) == 816);
  options.speculate = "n";
  EXPECT(number_of(api->generate(session, prompt, 1, &options, NULL, NULL, NULL)) == 816);
  options.speculate = NULL;
  options.budget = 0.5;
  EXPECT(number_of(api->generate(session, prompt, 1, &options, NULL, NULL, NULL)) == 849);
  options.exit = "never";
  EXPECT(number_of(api->generate(session, prompt, 1, &options, NULL, NULL, NULL)) == 847);
  options.budget = 0;
  options.quality = 0.5;
  EXPECT(number_of(api->generate(session, prompt, 1, &options, NULL, NULL, NULL)) == 849);
  EXPECT(number_of(api->session_length(session, 0, &length)) == 0 && length == 0);
  api->session_destroy(session);
}

/* Two sessions of one model in two threads give what each gives alone. */
typedef struct job {
  lathe_session *session;
  int32_t first;
  float logits[Vocabulary];
} job;

static void *run_job(void *user) {
  job *own = user;
  for (int32_t i = 0; i < 40; ++i) {
    int32_t token = (own->first + i) % Vocabulary;
    EXPECT(number_of(api->session_append(own->session, 0, &token, 1, 1, own->logits, Vocabulary)) ==
           0);
  }
  return NULL;
}

static void check_threads(lathe_model *model) {
  job jobs[2], alone;
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    jobs[i].session = open_session(model, NULL, 0);
    jobs[i].first = 10 * i + 1;
    EXPECT(pthread_create(&threads[i], NULL, run_job, &jobs[i]) == 0);
  }
  for (int i = 0; i < 2; ++i) {
    pthread_join(threads[i], NULL);
    alone.session = open_session(model, NULL, 0);
    alone.first = jobs[i].first;
    run_job(&alone);
    EXPECT(memcmp(alone.logits, jobs[i].logits, sizeof alone.logits) == 0);
    api->session_destroy(alone.session);
    api->session_destroy(jobs[i].session);
  }
}

/* A text whose tokens have no room: an error, and no exception. */
static void check_memory(lathe_model *model) {
  size_t size = (size_t)96 << 20, count = 0;
  char *text = malloc(size);
  struct rlimit limit, old;
  lathe_error *error;
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  EXPECT(text && file && fscanf(file, "%lu", &pages) == 1);
  if (file)
    fclose(file);
  memset(text, 'a', size);
  getrlimit(RLIMIT_AS, &old);
  limit = old;
  limit.rlim_cur = pages * 4096 + ((rlim_t)64 << 20);
  setrlimit(RLIMIT_AS, &limit);
  error = api->model_tokenize(model, text, size, 0, NULL, 0, &count);
  setrlimit(RLIMIT_AS, &old);
  EXPECT(api->error_exit_code(error) == 5);
  EXPECT(number_of(error) == 810 && count == 0);
  free(text);
}

static long mappings(void) {
  FILE *file = fopen("/proc/self/maps", "r");
  long lines = 0;
  for (int next; file && (next = fgetc(file)) != EOF;)
    lines += next == '\n';
  if (file)
    fclose(file);
  return lines;
}

/* A model that is opened and closed again and again leaves nothing behind. */
static void check_cycles(void) {
  long early = 0, late, early_peak = 0;
  struct rusage usage;
  for (int i = 0; i < 100; ++i) {
    lathe_model *model = open_model();
    lathe_session *session = open_session(model, NULL, 0);
    int32_t token = 1;
    EXPECT(number_of(api->session_append(session, 0, &token, 1, 0, NULL, 0)) == 0);
    /* Any order. */
    api->model_destroy(model);
    api->session_destroy(session);
    if (i == 20) {
      early = mappings();
      getrusage(RUSAGE_SELF, &usage);
      early_peak = usage.ru_maxrss;
    }
  }
  late = mappings();
  getrusage(RUSAGE_SELF, &usage);
  EXPECT(late <= early);
  EXPECT(usage.ru_maxrss - early_peak < 1024);
  printf("mappings %ld then %ld, peak KiB %ld then %ld\n", early, late, early_peak,
         usage.ru_maxrss);
}

/* All but what takes long or counts memory, so that valgrind can watch it. */
static void check_all(void) {
  lathe_model *model = open_model();
  lathe_session *session = open_session(model, NULL, 0);
  check_information(model, session);
  check_text(model);
  check_steps(session);
  check_step_errors(session);
  api->session_destroy(session);
  check_create_errors(model);
  check_allocator(model);
  check_sampler();
  check_cancel(model);
  check_cancel_open();
  check_generate(open_session(model, NULL, 0));
  check_generate_errors(model);
  check_threads(model);
  api->model_destroy(model);
  api->model_destroy(NULL);
  api->session_destroy(NULL);
  api->generation_destroy(NULL);
  api->error_destroy(NULL);
}

int main(int argc, char **argv) {
  const char *which = argc > 2 ? argv[2] : "";
  path = argc > 1 ? argv[1] : "";
  api = lathe_get_api(LATHE_API_VERSION);
  if (!api)
    return 6;
  if (strcmp(which, "open") == 0) {
    check_versions();
    check_open_errors();
  } else if (strcmp(which, "cycles") == 0) {
    check_cycles();
  } else if (strcmp(which, "memory") == 0) {
    lathe_model *model = open_model();
    check_memory(model);
    api->model_destroy(model);
  } else if (strcmp(which, "all") == 0) {
    check_all();
  } else {
    fprintf(stderr, "usage: %s MODEL.gguf open|all|memory|cycles\n", argv[0]);
    return 2;
  }
  return broken;
}
