/* How much of a calibrated model a generation runs:
 *
 *   calibrated MODEL CALIBRATION
 *
 * MODEL may be - for the model of the library itself, and CALIBRATION - for what the artefact
 * carries.  The points are those of make_calibration.py.  Prints the tokens of each
 * generation, and a line for every broken promise. */

#include "checks.h"

#include <math.h>

enum { Count = 24, Layers = 4 };

static const int32_t prompt[3] = {5, 6, 7};

static lathe_generate_options nothing(void) {
  lathe_generate_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.max_tokens = Count;
  options.flags = LATHE_GENERATE_IGNORE_END;
  options.speculate = "off";
  return options;
}

/* Generates after the prompt, and tells what it did. */
static lathe_generate_result run(lathe_session *session, lathe_generate_options options,
                                 int64_t steps[Layers]) {
  lathe_generate_result result;
  lathe_generation *generation = NULL;
  lathe_piece piece = {sizeof piece, 0, 0, NULL, 0};
  size_t layers = 99;
  memset(&result, 0, sizeof result);
  result.struct_size = sizeof result;
  EXPECT(number_of(api->session_truncate(session, 0, 0)) == 0);
  EXPECT(number_of(api->generation_start(session, prompt, 3, &options, &generation)) == 0);
  while (generation && number_of(api->generation_next(generation, &piece)) == 0 && !piece.ended)
    if (piece.token >= 0)
      printf("%d ", (int)piece.token);
  printf("\n");
  memset(steps, 0, Layers * sizeof *steps);
  EXPECT(number_of(api->generation_exits(generation, steps, Layers, &layers)) == 0);
  EXPECT(layers == 0 || layers == Layers);
  EXPECT(number_of(api->generation_result(generation, &result)) == 0);
  EXPECT(result.tokens == Count);
  EXPECT(result.exit_steps == steps[0] + steps[1] + steps[2] + steps[3]);
  EXPECT(result.exit_layers == 3 * steps[0] + 2 * steps[1] + steps[2]);
  EXPECT((result.exit_bytes > 0) == (result.exit_layers > 0));
  api->generation_destroy(generation);
  return result;
}

static int near(double found, double expected) { return fabs(found - expected) < 1e-9; }

static void check_budgets(lathe_session *session) {
  int64_t steps[Layers], all = Count - 1;
  lathe_generate_options options = nothing();
  lathe_generate_result result = run(session, options, steps);
  EXPECT(result.exit_steps == 0);
  EXPECT(near(result.expected_agreement, 1) && near(result.expected_time, 1));
  /* A layer less is the best that takes 0.7, ... */
  options.budget = 0.7;
  result = run(session, options, steps);
  EXPECT(result.exit_steps == 0);
  EXPECT(near(result.expected_agreement, 0.9) && near(result.expected_time, 0.7));
  /* ... and leaving always of what takes less. */
  options.budget = 0.65;
  result = run(session, options, steps);
  EXPECT(steps[1] == all && result.exit_steps == all);
  EXPECT(near(result.expected_agreement, 0.8) && near(result.expected_time, 0.6));
  options.quality = 0.85;
  EXPECT(number_of(api->generate(session, prompt, 3, &options, NULL, NULL, NULL)) == 845);
  /* A policy that somebody asks for was measured too. */
  options = nothing();
  options.exit = "always-at:1";
  result = run(session, options, steps);
  EXPECT(steps[1] == all && near(result.expected_agreement, 0.8));
  options.exit = "always-at:2";
  result = run(session, options, steps);
  EXPECT(steps[2] == all && isnan(result.expected_agreement) && isnan(result.expected_time));
  options.exit = "never";
  result = run(session, options, steps);
  EXPECT(result.exit_steps == 0 && near(result.expected_agreement, 1));
}

/* Of an impossible latency each point is taken for eight steps, the best first, as far down as
 * the quality lets them. */
static void check_latency(lathe_session *session) {
  int64_t steps[Layers];
  lathe_generate_options options = nothing();
  lathe_generate_result result;
  options.latency = 1e-9;
  result = run(session, options, steps);
  EXPECT(steps[1] == 15 && result.exit_steps == 15);
  EXPECT(near(result.expected_agreement, (8 + 8 * 0.95 + 7 * 0.9) / 23));
  EXPECT(near(result.expected_time, (8 + 8 * 0.97 + 7 * 0.9) / 23));
  options.quality = 0.92;
  result = run(session, options, steps);
  EXPECT(near(result.expected_agreement, (8 + 15 * 0.95) / 23));
  options.quality = 0.96;
  EXPECT(number_of(api->generate(session, prompt, 3, &options, NULL, NULL, NULL)) == 845);
}

static void check_refusals(lathe_session *session) {
  const int32_t token = 9;
  lathe_generate_options options = nothing();
  int number;
  options.budget = 0.7;
  options.latency = 1;
  EXPECT(number_of(api->generate(session, prompt, 3, &options, NULL, NULL, NULL)) == 849);
  options.latency = 0;
  options.skip = "1";
  EXPECT(number_of(api->generate(session, prompt, 3, &options, NULL, NULL, NULL)) == 849);
  options.skip = NULL;
  for (number = 0; number < 3; ++number) {
    options.budget = number == 0 ? -0.1 : number == 1 ? 1.1 : NAN;
    EXPECT(number_of(api->generate(session, prompt, 3, &options, NULL, NULL, NULL)) == 849);
  }
  /* A sequence that all layers have begun cannot go on with less of them, ... */
  EXPECT(number_of(api->session_truncate(session, 0, 0)) == 0);
  EXPECT(number_of(api->session_append(session, 0, &token, 1, 0, NULL, 0)) == 0);
  options.budget = 0.7;
  EXPECT(number_of(api->generate(session, prompt, 3, &options, NULL, NULL, NULL)) == 842);
  /* ... but may leave them early. */
  options.budget = 0.65;
  EXPECT(number_of(api->generate(session, prompt, 3, &options, NULL, NULL, NULL)) == 0);
}

int main(int argc, char **argv) {
  lathe_model_options options = model_options();
  lathe_model *model = NULL;
  lathe_session *session;
  api = lathe_get_api(LATHE_API_VERSION);
  if (!api || argc != 3)
    return 6;
  path = strcmp(argv[1], "-") == 0 ? NULL : argv[1];
  options.calibration = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
  EXPECT(number_of(api->model_open(path, &options, &model)) == 0);
  if (!model)
    return 1;
  session = open_session(model, NULL, 0);
  api->model_destroy(model);
  check_budgets(session);
  check_latency(session);
  check_refusals(session);
  api->session_destroy(session);
  return broken;
}
