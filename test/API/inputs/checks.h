/* What the tests of lathe.h share. */

#ifndef LATHE_TEST_API_INPUTS_CHECKS_H
#define LATHE_TEST_API_INPUTS_CHECKS_H

#define _POSIX_C_SOURCE 200809L

#include "lathe/lathe.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lathe_api *api;
static const char *path;
static int broken;

#define EXPECT(condition)                                                                          \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                              \
      broken = 1;                                                                                  \
    }                                                                                              \
  } while (0)

enum { Vocabulary = 300 };

/* The number of the first error, 0 for none; destroys it. */
static inline int number_of(lathe_error *error) {
  int number = 0;
  for (size_t i = 0; i < api->error_count(error) && number == 0; ++i) {
    const lathe_diagnostic *each = api->error_diagnostic(error, i);
    EXPECT(each->struct_size >= sizeof *each && each->message[0] && each->text[0]);
    if (each->severity == LATHE_SEVERITY_ERROR)
      number = each->number;
  }
  EXPECT((error == NULL) == (number == 0));
  EXPECT(api->error_diagnostic(error, api->error_count(error)) == NULL);
  api->error_destroy(error);
  return number;
}

static inline lathe_model_options model_options(void) {
  lathe_model_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.target = getenv("LATHE_TARGET");
  options.threads = 2;
  return options;
}

static inline lathe_model *open_model(void) {
  lathe_model_options options = model_options();
  lathe_model *model = NULL;
  EXPECT(number_of(api->model_open(path, &options, &model)) == 0);
  return model;
}

static inline lathe_session *open_session(lathe_model *model, const lathe_callbacks *callbacks,
                                          int64_t chunk) {
  lathe_session_options options = {.struct_size = sizeof options, .capacity = 256, .sequences = 3};
  lathe_session *session = NULL;
  options.callbacks = callbacks;
  options.prefill_chunk = chunk;
  EXPECT(number_of(api->session_create(model, &options, &session)) == 0);
  return session;
}

typedef struct told {
  int64_t progress, most, calls;
  int64_t cancel_after; /* Calls of cancel that say no; negative: all. */
} told;

static inline void on_progress(void *user, int32_t what, int64_t done, int64_t total) {
  told *all = user;
  EXPECT(what >= LATHE_PROGRESS_OPEN && what <= LATHE_PROGRESS_COMPILE);
  EXPECT(done >= 0 && done <= total);
  ++all->progress;
  all->most = total;
}

static inline int32_t on_cancel(void *user) {
  told *all = user;
  return all->cancel_after >= 0 && all->calls++ >= all->cancel_after;
}

#endif
