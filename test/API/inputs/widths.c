/* A part of each layer's neurons, chosen by model, session and call:
 *
 *   widths MODEL
 *
 * MODEL has layers of 160 neurons, which are packed 32 together.  Prints a line for every
 * broken promise. */

#include "checks.h"

enum { Count = 12 };

static const int32_t prompt[5] = {5, 6, 7, 250, 8};

static lathe_model *open_with(double width, int expected) {
  lathe_model_options options = model_options();
  lathe_model *model = NULL;
  options.width = width;
  EXPECT(number_of(api->model_open(path, &options, &model)) == expected);
  EXPECT((model != NULL) == (expected == 0));
  return model;
}

static lathe_session *session_of(lathe_model *model, const char *width, int expected) {
  lathe_session_options options = {.struct_size = sizeof options, .capacity = 64};
  lathe_session *session = NULL;
  options.width = width;
  EXPECT(number_of(api->session_create(model, &options, &session)) == expected);
  return session;
}

/* The logits behind the prompt. */
static void logits_of(lathe_model *model, const char *width, float *logits) {
  lathe_session *session = session_of(model, width, 0);
  memset(logits, 0, Vocabulary * sizeof *logits);
  EXPECT(number_of(api->session_append(session, 0, prompt, 5, LATHE_LOGITS_LAST, logits,
                                       Vocabulary)) == 0);
  api->session_destroy(session);
}

static int same(const float *a, const float *b) {
  return memcmp(a, b, Vocabulary * sizeof *a) == 0;
}

static void check_logits(lathe_model *plain, lathe_model *chooses, lathe_model *narrow) {
  static float whole[Vocabulary], part[Vocabulary], found[Vocabulary];
  logits_of(plain, NULL, whole);
  logits_of(chooses, NULL, found);
  EXPECT(same(found, whole));
  logits_of(narrow, "160", found);
  EXPECT(same(found, whole));
  logits_of(chooses, "96", part);
  EXPECT(!same(part, whole));
  /* A share is rounded up to a step. */
  logits_of(chooses, "0.5", found);
  EXPECT(same(found, part));
  logits_of(narrow, NULL, found);
  EXPECT(same(found, part));
  logits_of(chooses, "0.75", found);
  EXPECT(!same(found, part) && !same(found, whole));
}

typedef struct said {
  int32_t tokens[Count];
  int64_t count;
} said;

/* What is generated behind the prompt, with a width of the session and one of the call. */
static said generate(lathe_model *model, const char *of_session, const char *of_call,
                     int expected) {
  lathe_session *session = session_of(model, of_session, 0);
  lathe_generate_options options;
  lathe_generation *generation = NULL;
  lathe_piece piece = {sizeof piece, 0, 0, NULL, 0};
  said all = {{0}, 0};
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.max_tokens = Count;
  options.flags = LATHE_GENERATE_IGNORE_END;
  options.width = of_call;
  EXPECT(number_of(api->generation_start(session, prompt, 5, &options, &generation)) == expected);
  while (generation && number_of(api->generation_next(generation, &piece)) == 0 && !piece.ended)
    if (piece.token >= 0 && all.count < Count)
      all.tokens[all.count++] = piece.token;
  EXPECT(all.count == (expected ? 0 : Count));
  api->generation_destroy(generation);
  api->session_destroy(session);
  return all;
}

static int same_words(said a, said b) { return memcmp(&a, &b, sizeof a) == 0; }

static void check_words(lathe_model *plain, lathe_model *chooses, lathe_model *narrow) {
  said whole = generate(plain, NULL, NULL, 0), part = generate(chooses, "96", NULL, 0);
  EXPECT(!same_words(whole, part));
  EXPECT(same_words(generate(chooses, NULL, "96", 0), part));
  EXPECT(same_words(generate(narrow, NULL, NULL, 0), part));
  /* The call's stands above the session's. */
  EXPECT(same_words(generate(chooses, "96", "1.0", 0), whole));
  EXPECT(same_words(generate(narrow, "32", "0.6", 0), part));
}

static void check_refusals(lathe_model *plain, lathe_model *chooses) {
  static const char *const wrong[] = {"97", "0", "192", "1.5", "-0.5", "nan", "half"};
  size_t i;
  for (i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    EXPECT(!session_of(chooses, wrong[i], 818));
    generate(chooses, NULL, wrong[i], 818);
  }
  EXPECT(!session_of(plain, "96", 818));
  generate(plain, NULL, "96", 818);
  open_with(1.5, 818);
  open_with(-0.5, 818);
}

int main(int argc, char **argv) {
  lathe_model *plain, *chooses, *narrow;
  api = lathe_get_api(LATHE_API_VERSION);
  if (!api || argc != 2)
    return 6;
  path = argv[1];
  plain = open_with(0, 0), chooses = open_with(1, 0), narrow = open_with(0.5, 0);
  if (plain && chooses && narrow) {
    check_logits(plain, chooses, narrow);
    check_words(plain, chooses, narrow);
    check_refusals(plain, chooses);
  }
  api->model_destroy(plain);
  api->model_destroy(chooses);
  api->model_destroy(narrow);
  return broken;
}
