/*===- lathe.h - What liblathe.so offers to programs ---------------*- C -*-===*\
|*
|* One function, lathe_get_api, gives a table of all others:
|*
|*   const lathe_api *api = lathe_get_api(LATHE_API_VERSION);
|*
|* Versions.  The table and all structs only grow at their end within a major
|* version.  A program asks for the version it was compiled with and gets a
|* table that has at least that, or NULL.
|*
|* Structs.  One that the caller fills or hands over to be filled begins with
|* `struct_size`, which the caller sets to its sizeof.  Zero in every other
|* member is the default, so `lathe_x x = {sizeof x}` is a valid request.  A
|* shorter struct of an older program is fine; a longer one is refused (E0821)
|* when it says anything that this library does not know.
|*
|* Errors.  A function that can fail returns a lathe_error, or NULL when all is
|* well; outputs are then set, otherwise left alone.  An error is a list of
|* diagnostics with the numbers of `lathe explain`; it belongs to the caller,
|* who calls error_destroy.  Every such function may fail with E0810 (out of
|* memory) and E0822 (an argument is NULL).  After an E0810 that names "liblathe"
|* a handle that took part may only be destroyed.  Nothing is ever thrown.
|*
|* Ownership.  What a function copies it says; all else that is passed in is
|* read during the call alone.  Handles may be destroyed in any order, as each
|* keeps what it needs; destroying NULL does nothing.
|*
|* Threads.  No handle belongs to a thread.  Each function below says which calls
|* may come at the same time:
|*
|*   [any]    any, from any number of threads, with the same handles
|*   [turn]   one call per session; another that comes meanwhile, also from one of
|*            the session's own callbacks, fails with E0815 and harms nothing
|*   [owner]  one call per handle, which the caller sees to
|*   [last]   no other call with this handle, now or later; those that were made
|*            from it (a model's sessions, a session's generations) do not count
|*
|* Sessions of one model take turns with its workers, one call of compiled code at
|* a time.  Callbacks come on the thread that made the call and must neither throw
|* nor longjmp.
|*
|* Process.  The first open of a file installs a handler of SIGBUS that tells a
|* truncated model file (E0206) and ends the process; any other SIGBUS goes to
|* the handler that was there.  The worker threads do not survive a fork.  The
|* library stays loaded when it is closed.
|*
\*===----------------------------------------------------------------------===*/

#ifndef LATHE_LATHE_H
#define LATHE_LATHE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Major version in the upper 16 bits, minor in the lower. */
#define LATHE_API_MAJOR 1
#define LATHE_API_MINOR 2
#define LATHE_API_VERSION ((uint32_t)LATHE_API_MAJOR << 16 | LATHE_API_MINOR)

typedef struct lathe_error lathe_error;           /* A list of diagnostics.           */
typedef struct lathe_model lathe_model;           /* A file, its program and weights. */
typedef struct lathe_session lathe_session;       /* KV caches of some sequences.     */
typedef struct lathe_sampler lathe_sampler;       /* Options and a random state.      */
typedef struct lathe_generation lathe_generation; /* A stream of tokens.              */
typedef struct lathe_classifier lathe_classifier; /* An encoder with calibrated heads. */

enum { LATHE_SEVERITY_ERROR = 0, LATHE_SEVERITY_WARNING = 1 };

/* Filled by the library.  Texts are UTF-8, never NULL, and may be empty; they
 * live as long as the error, or the call of the log callback. */
typedef struct lathe_diagnostic {
  size_t struct_size;
  int32_t severity;    /* LATHE_SEVERITY_... */
  int32_t number;      /* 304 for E0304; `lathe explain 304` */
  const char *place;   /* "model.gguf: tensor 'blk.3.ffn_up.weight'" */
  const char *message; /* What was found and what was expected. */
  const char *hint;    /* What the user can do. */
  const char *text;    /* All of it, as the `lathe` command prints it. */
} lathe_diagnostic;

/* What a progress callback counts: stages of opening, rows of a step, or stages of
 * compiling to a file. */
enum { LATHE_PROGRESS_OPEN = 0, LATHE_PROGRESS_STEP = 1, LATHE_PROGRESS_COMPILE = 2 };

/* Each may be NULL.  The struct is copied; `user` must live as long as the
 * handle that was made with it. */
typedef struct lathe_callbacks {
  size_t struct_size;
  void *user;
  /* Warnings of calls that went well, such as an unusable cache. */
  void (*log)(void *user, const lathe_diagnostic *diagnostic);
  /* `done` of `total` stages, or rows; before each stage and entry call. */
  void (*progress)(void *user, int32_t what, int64_t done, int64_t total);
  /* Asked as often as progress is told; nonzero ends the call with E0807.
   * Rows that are done stay in the session. */
  int32_t (*cancel)(void *user);
} lathe_callbacks;

/* Where the memory of a session comes from, which is nearly all that a session
 * has: KV caches, activations and what each worker needs.  All else (handles,
 * texts, weights) comes from malloc and from the kernel. */
typedef struct lathe_allocator {
  size_t struct_size;
  void *user;
  /* `bytes` at a multiple of `alignment`, a power of two; NULL becomes E0810.
   * Called by session_create, from its thread.  The library zeroes what it gets,
   * so that all of it is in use from the start. */
  void *(*allocate)(void *user, size_t bytes, size_t alignment);
  /* Takes it back: when session_create fails, and when the session and all its
   * generations are destroyed, from the thread that destroys the last of them. */
  void (*deallocate)(void *user, void *memory, size_t bytes);
} lathe_allocator;

enum {
  LATHE_MODEL_NO_CACHE = 1, /* Compile anew and store nothing. */
  LATHE_MODEL_STRICT = 2    /* Refuse weights that are not finite (E0325). */
};

typedef struct lathe_model_options {
  size_t struct_size;
  const char *target;       /* NULL: "host"; "x86-64-v3", "x86-64-v4" */
  const char *precision;    /* NULL: "auto"; "f32", "bf16", "mixed", "int16", "int8" */
  int32_t threads;          /* 0: one per core this process may run on; at most 256 */
  uint32_t flags;           /* LATHE_MODEL_... */
  int64_t max_prefill_rows; /* 0: the compiler's default */
  /* The session that will be asked for, so that one that cannot fit is refused
   * before anything is compiled; 0: the model's context and one sequence. */
  int64_t capacity;
  int64_t sequences;
  const lathe_callbacks *callbacks; /* NULL: none */
  /* The model file of an artefact that does not carry its weights; NULL: the one
   * whose name stands in it, which is also looked for beside it. */
  const char *weights;
  /* Since 1.2.  What the model runs on: NULL or "cpu"; "cuda:0", a GPU by its number; "auto",
   * a GPU where one can be used.  E0850 to E0856. */
  const char *device;
  /* Since 1.2.  What `lathe calibrate` wrote of the model, by which generations choose how
   * much of it they run, and whose exits it gets, or of an encoder the classifier; NULL: what
   * an artefact carries of it, if anything.  E0843 no such file, E0844 it is for another model. */
  const char *calibration;
  /* Since 1.2.  Above 0: a program whose steps can compute a part of each layer's neurons, and
   * do that share unless a session asks for another; at most 1.  They are stored in the order
   * of `calibration`, if it says one.  0: no choice.  E0818. */
  double width;
} lathe_model_options;

enum { LATHE_COMPILE_EMBED_WEIGHTS = 1 /* Else they are found by the name of the model file. */ };

typedef struct lathe_compile_options {
  size_t struct_size;
  const char *targets;   /* NULL: "host"; "x86-64-v3,x86-64-v4": the best is chosen when it runs */
  const char *precision; /* NULL: "auto"; "f32", "bf16", "mixed", "int16", "int8" */
  uint32_t flags;        /* LATHE_COMPILE_... */
  uint32_t reserved;
  const lathe_callbacks *callbacks; /* NULL: none */
  /* Since 1.2.  The layers to compile, and those to leave out for good, as lists such as
   * "0-20,25"; NULL: all, and none.  E0840. */
  const char *layers;
  const char *skip;
  /* Since 1.2.  A file of `lathe calibrate` for the artefact to carry, with the exits that are
   * in it, or of an encoder the classifier; NULL: none.  E0834 a classifier for what is no
   * encoder, E0843, E0844. */
  const char *calibration;
  /* Since 1.2.  As in lathe_model_options. */
  double width;
} lathe_compile_options;

/* Filled by model_info; the caller sets struct_size.  Texts live as long as the
 * model. */
typedef struct lathe_model_info {
  size_t struct_size;
  const char *architecture; /* "llama" */
  const char *target;       /* What it was compiled for: "x86-64-v3" */
  const char *precision;    /* "auto", "f32", ... */
  int64_t vocabulary;       /* Logits per row; tokens are below it. */
  int64_t embedding;
  int64_t layers;
  int64_t context;        /* Positions the model was trained for. */
  int64_t threads;        /* Workers, the caller of a step among them. */
  int64_t weight_bytes;   /* Packed. */
  int32_t cache_hit;      /* 1: the program was in the cache. */
  int32_t compiled_ahead; /* 1: it came in an artefact. */
  double compile_seconds;
  double pack_seconds;
} lathe_model_info;

enum {
  LATHE_TOKENIZE_ADD_SPECIAL = 1,  /* The start and end tokens the file asks for. */
  LATHE_TOKENIZE_PARSE_SPECIAL = 2 /* Read "<|im_end|>" as that token: not for text from outside. */
};

/* What the rows of a text become. */
enum {
  LATHE_POOL_MODEL = 0, /* What the model's folder says; else the mean. */
  LATHE_POOL_MEAN = 1,
  LATHE_POOL_FIRST = 2 /* The first row, that of the classification token. */
};

/* Whether vectors have the length 1. */
enum { LATHE_NORMALIZE_MODEL = 0, LATHE_NORMALIZE_YES = 1, LATHE_NORMALIZE_NO = 2 };

/* Since 1.2. */
typedef struct lathe_embed_options {
  size_t struct_size;
  int32_t pool;      /* LATHE_POOL_... */
  int32_t normalize; /* LATHE_NORMALIZE_... */
} lathe_embed_options;

/* A text of `size` bytes, which may be any. */
typedef struct lathe_text {
  const char *bytes;
  size_t size;
} lathe_text;

/* Whether a text leaves the layers early. */
enum {
  LATHE_EXIT_AUTO = 0, /* As it was calibrated. */
  LATHE_EXIT_NEVER = 1 /* It goes through all layers. */
};

/* Since 1.2.  Where what is found of texts goes, an element for each; each may be
 * NULL. */
typedef struct lathe_classify_results {
  size_t struct_size;
  int32_t *labels;      /* classifier_label tells their names. */
  float *probabilities; /* Of the labels, as the classifier sees them. */
  int32_t *layers;      /* That ran. */
  double *seconds;
} lathe_classify_results;

enum {
  LATHE_DETOKENIZE_SHOW_CONTROL = 1, /* Spell control tokens; else they are left out. */
  LATHE_DETOKENIZE_CONTINUES = 2     /* The tokens go on after others. */
};

typedef struct lathe_session_options {
  size_t struct_size;
  int64_t capacity;      /* Positions per sequence, rounded up to 256; 0: the model's context. */
  int64_t sequences;     /* 0: 1; at most 4096 */
  int64_t prefill_chunk; /* Most rows in one call of compiled code; 0: as many as it takes. */
  const lathe_callbacks *callbacks; /* NULL: none */
  const lathe_allocator *allocator; /* NULL: the kernel's memory, resident as far as it is used */
  /* Since 1.2.  The layers that sequences run, and those that they leave out, as lists
   * such as "0-20,25"; NULL: all that were compiled, and none.  E0840 no such list, E0841
   * the program cannot do so. */
  const char *layers;
  const char *skip;
  /* Since 1.2.  The neurons that steps compute of each layer, in a program that has the
   * choice: a share ("0.75"), rounded up to what a layer can compute, or a number ("1152");
   * NULL: as it was compiled.  E0818. */
  const char *width;
} lathe_session_options;

/* Filled by session_info; the caller sets struct_size. */
typedef struct lathe_session_info {
  size_t struct_size;
  int64_t capacity; /* Positions per sequence. */
  int64_t sequences;
  int64_t vocabulary; /* Logits per row. */
  int64_t kv_bytes;   /* Address space, unless an allocator gave it. */
  int64_t work_bytes; /* Activations and workers' memory. */
} lathe_session_info;

/* One token of one sequence. */
typedef struct lathe_row {
  int32_t token;        /* 0 to vocabulary - 1 */
  int32_t position;     /* The next of its sequence. */
  int32_t sequence;     /* 0 to sequences - 1 */
  int32_t wants_logits; /* 0 or 1 */
} lathe_row;

/* Which tokens of session_append want logits. */
enum { LATHE_LOGITS_NONE = 0, LATHE_LOGITS_LAST = 1, LATHE_LOGITS_ALL = 2 };

/* Applied in this order, then one draw.  All zero: always the likeliest. */
typedef struct lathe_sampler_options {
  size_t struct_size;
  double temperature; /* 0: the likeliest token, and the rest does not matter; at most 100 */
  int64_t top_k;      /* Keep so many of the likeliest; 0: all. */
  double top_p;       /* Keep the fewest that sum to this probability; 0: all. */
  double min_p;       /* Keep those at least this likely relative to the best. */
  uint64_t seed;
} lathe_sampler_options;

enum { LATHE_GENERATE_IGNORE_END = 1 /* Go on after the model's end tokens. */ };

typedef struct lathe_generate_options {
  size_t struct_size;
  const lathe_sampler_options *sampling; /* NULL: always the likeliest */
  int64_t max_tokens;                    /* 0: until the model ends or the context is full */
  int32_t sequence;                      /* Continues what this sequence holds. */
  uint32_t flags;                        /* LATHE_GENERATE_... */
  /* How to guess tokens, several of which are then verified in one step.  It changes
   * how fast tokens come and never which.  NULL: "auto", which guesses where it pays;
   * "off"; a draft's name ("ngram"), or with ":4" behind it to guess always so many.
   * E0816 anything else.  Since 1.1. */
  const char *speculate;
  /* How to compute the output head where few logits are wanted (a temperature of 0, or
   * top_k from 1 to 64).  It changes how fast tokens come and never which.  NULL:
   * "auto", which leaves most of it out where that is faster; "full"; "screened".
   * E0817 anything else.  Since 1.2. */
  const char *head;
  /* Since 1.2.  The layers of this sequence from its first position on, as in
   * lathe_session_options; both NULL: as it is set.  E0842 when it holds positions that
   * other layers made. */
  const char *layers;
  const char *skip;
  /* Since 1.2.  When a step may leave the layers early, in a program that has exits, which
   * changes what is said: "never"; "always-at:L", behind layer L; "threshold:X", behind the
   * first exit whose confidence is at least X.  Guessing is off then.  E0847 anything
   * else.  NULL: what was measured of the model decides, if anything asks it; never. */
  const char *exit;
  /* Since 1.2.  How much of the model to run; all 0: all of it.  E0849 what cannot be held, E0845
   * what nothing meets.
   *
   * Without `exit`, of a calibrated model: the layers, or the exit, that were measured to agree
   * most with the whole model within the budget, a share of its time, up to 1; or with a
   * latency, in seconds, those exits that keep the mean time of a step near it.  Both
   * agree at least as far as `quality` says, up to 1.
   *
   * With `exit` "threshold:X,Y,...": of these, and of never leaving, those that keep
   * the mean time of a step near `latency`, or the mean part of the layers that run
   * near `budget`. */
  double latency;
  double budget;
  double quality;
  /* Since 1.2.  As in lathe_session_options; it may change from call to call.  NULL: what was
   * measured of the model decides, if anything asks it; as it is set. */
  const char *width;
} lathe_generate_options;

/* Why a generation ended. */
enum {
  LATHE_STOP_NONE = 0,     /* It has not. */
  LATHE_STOP_END = 1,      /* The model ended its turn. */
  LATHE_STOP_TOKENS = 2,   /* max_tokens */
  LATHE_STOP_CONTEXT = 3,  /* No free position. */
  LATHE_STOP_CALLBACK = 4, /* The callback asked for it. */
};

/* Filled by generate and generation_result; the caller sets struct_size. */
typedef struct lathe_generate_result {
  size_t struct_size;
  int32_t stop;      /* LATHE_STOP_... */
  int32_t end_token; /* The token that ended it, which is not one of `tokens`; -1: none */
  int64_t prompt_tokens;
  int64_t tokens; /* How many were generated. */
  double prefill_seconds;
  double decode_seconds; /* Without the callback. */
  /* Since 1.1: */
  int64_t steps;    /* Calls of compiled code after the prompt ... */
  int64_t rounds;   /* ... and those among them that verified guesses. */
  int64_t drafted;  /* Guessed tokens that were verified ... */
  int64_t accepted; /* ... and were right. */
  /* Since 1.2: */
  int64_t head_steps; /* Steps that screened the output head, ... */
  int64_t head_whole; /* ... the positions among theirs that needed all of it, ... */
  int64_t head_rows;  /* ... rows of it that were computed for all positions together, ... */
  int64_t
      head_positions;  /* ... and positions, of which a step that verifies guesses has several. */
  int64_t exit_steps;  /* Steps that left the layers early, ... */
  int64_t exit_layers; /* ... and layers that they did not run, ... */
  int64_t exit_bytes;  /* ... whose weights have so many bytes. */
  /* What was measured of what ran, when the model was calibrated: the share of tokens that
   * are the whole model's at least, and the time of a step relative to it.  Not a
   * number where nothing was. */
  double expected_agreement;
  double expected_time;
} lathe_generate_result;

/* Filled by generation_next; the caller sets struct_size. */
typedef struct lathe_piece {
  size_t struct_size;
  int32_t token;    /* -1: none, text held back until the end, or the end */
  int32_t ended;    /* 1: nothing more comes, and there is neither token nor text. */
  const char *text; /* Whole UTF-8 characters, zero-terminated; until the next call. */
  size_t text_size; /* Bytes; the text may have zeros in it. */
} lathe_piece;

/* Called for every token with the text that became complete with it (`size`
 * bytes, whole UTF-8 characters, zero-terminated, may be empty).  Text that was
 * held back comes at the end with token -1.  Nonzero stops. */
typedef int32_t (*lathe_on_token)(void *user, int32_t token, const char *text, size_t size);

typedef struct lathe_api {
  size_t struct_size;
  uint16_t major, minor;
  uint32_t reserved;

  /* [any] The library's own version: "0.1.0".  Lives for ever. */
  const char *(*version)(void);

  /*--- errors: never fail; what they return lives as long as the error -----*/

  /* [any] What the `lathe` command would exit with: 2 usage, 3 unsupported, 4 malformed
   * input, 5 out of resources, 6 versions do not match, 130 interrupted, 70 a
   * fault of Lathe's own, 1 any other. */
  int32_t (*error_exit_code)(const lathe_error *error);
  /* [any] Diagnostics, warnings among them; in the order in which they were found. */
  size_t (*error_count)(const lathe_error *error);
  /* [any] NULL when `index` is not below the count. */
  const lathe_diagnostic *(*error_diagnostic)(const lathe_error *error, size_t index);
  /* [any] All of them as text, a line or more each. */
  const char *(*error_text)(const lathe_error *error);
  /* [last] */
  void (*error_destroy)(lathe_error *error);

  /*--- models ---------------------------------------------------------------*/

  /* [any] Opens a GGUF file: finds its program in the cache or compiles it, and
   * packs the weights, exactly as `lathe run` does.  Or an artefact that `lathe
   * compile` or model_compile made (E064x), or an executable: neither the cache
   * nor the compiler is asked, and `target` and `precision` choose among what is
   * in it.  In a library that `lathe compile` made of a model, NULL stands for that
   * model.  Or a folder in the form of Hugging Face, of an encoder, or what one was
   * compiled to, which model_embed takes.  `options` may be NULL.  Besides E0807 all errors of
   * files (E02xx, E03xx), import (E04xx), the compiler (E05xx), programs (E06xx) and memory
   * (E0810). */
  lathe_error *(*model_open)(const char *path, const lathe_model_options *options,
                             lathe_model **model);
  /* [last] */
  void (*model_destroy)(lathe_model *model);
  /* [any] */
  lathe_error *(*model_info)(const lathe_model *model, lathe_model_info *info);

  /* [any] Compiles the GGUF file, or the folder of an encoder, `path` to the artefact `output`,
   * as `lathe compile -o output.lathe` does and byte by byte the same.  The file appears as a whole
   * or not at all.  `options` may be NULL.  Errors as of model_open, and E021x an
   * output that cannot be written. */
  lathe_error *(*model_compile)(const char *path, const lathe_compile_options *options,
                                const char *output);

  /* [any] The token ids of `size` bytes of text, which may be any.  Writes the first
   * `capacity` ids and tells in `count` how many there are: when that is more,
   * call again with more room.  `flags`: LATHE_TOKENIZE_...  E07xx when the file
   * has no usable tokenizer. */
  lathe_error *(*model_tokenize)(const lathe_model *model, const char *text, size_t size,
                                 uint32_t flags, int32_t *tokens, size_t capacity, size_t *count);
  /* [any] The text of `count` tokens, as UTF-8 (U+FFFD for bytes that are not) and
   * without a zero at the end; `text`, `capacity` and `size` as above, in bytes.
   * `flags`: LATHE_DETOKENIZE_...  E0801 a token that is not in the vocabulary. */
  lathe_error *(*model_detokenize)(const lathe_model *model, const int32_t *tokens, size_t count,
                                   uint32_t flags, char *text, size_t capacity, size_t *size);
  /* [any] The file's start and end tokens, -1 where it names none; either pointer may
   * be NULL. */
  lathe_error *(*model_special_tokens)(const lathe_model *model, int32_t *start, int32_t *end);

  /*--- sessions -------------------------------------------------------------*/

  /* [any] E0805 an option out of range, E0810, E0835 an encoder.  `options` may be NULL. */
  lathe_error *(*session_create)(lathe_model *model, const lathe_session_options *options,
                                 lathe_session **session);
  /* [last] */
  void (*session_destroy)(lathe_session *session);
  /* [any] */
  lathe_error *(*session_info)(const lathe_session *session, lathe_session_info *info);

  /* [turn] Runs `count` rows in order, of one or several sequences.  `logits` receives
   * [rows that want them][vocabulary] floats in the order of the rows, and has
   * room for `capacity` floats; NULL and 0 when no row wants any.  The logits of
   * a row are the same bits however rows are grouped.  All rows are checked
   * before any runs: E0801 token, E0802 position, E0803 sequence, E0804 room for
   * logits.  After E0806 and E0807 the sequences keep what was done. */
  lathe_error *(*session_step)(lathe_session *session, const lathe_row *rows, size_t count,
                               float *logits, size_t capacity);
  /* [turn] The same for tokens that continue `sequence`.  `which`: LATHE_LOGITS_... */
  lathe_error *(*session_append)(lathe_session *session, int32_t sequence, const int32_t *tokens,
                                 size_t count, int32_t which, float *logits, size_t capacity);
  /* [turn] Positions that `sequence` holds.  E0803. */
  lathe_error *(*session_length)(const lathe_session *session, int32_t sequence, int64_t *length);
  /* [turn] Forgets all positions from `length` on; more than there are changes nothing,
   * and 0 gives the memory back, but for 16 MiB: a short conversation takes no more.
   * E0803. */
  lathe_error *(*session_truncate)(lathe_session *session, int32_t sequence, int64_t length);

  /*--- choosing tokens -----------------------------------------------------*/

  /* [any] E0808 an option out of range.  `options` may be NULL. */
  lathe_error *(*sampler_create)(const lathe_sampler_options *options, lathe_sampler **sampler);
  /* [last] */
  void (*sampler_destroy)(lathe_sampler *sampler);
  /* [owner] One token for `count` logits.  Equal logits, options, seed and calls before
   * give equal tokens.  E0809 logits that are not numbers. */
  lathe_error *(*sampler_sample)(lathe_sampler *sampler, const float *logits, size_t count,
                                 int32_t *token);

  /*--- generating: prefill, then token by token -----------------------------*/

  /* [turn] Runs the prompt and gives each token to `on_token` (may be NULL) until there
   * is a reason to stop.  The sequence then holds the prompt and the tokens but
   * for the last.  `options` and `result` may be NULL.  E0808, E0813 an empty
   * prompt, E0814 one longer than the free context, and those of session_step;
   * what came before an error has gone to `on_token`.  A model without a usable
   * tokenizer gives tokens and no text, and nothing but `max_tokens` ends it. */
  lathe_error *(*generate)(lathe_session *session, const int32_t *prompt, size_t count,
                           const lathe_generate_options *options, lathe_on_token on_token,
                           void *user, lathe_generate_result *result);
  /* [turn] The same for a caller who asks for the tokens: this runs the prompt ... */
  lathe_error *(*generation_start)(lathe_session *session, const int32_t *prompt, size_t count,
                                   const lathe_generate_options *options,
                                   lathe_generation **generation);
  /* [turn] ... and this gives the next token.  After E0807 it may be called again. */
  lathe_error *(*generation_next)(lathe_generation *generation, lathe_piece *piece);
  /* [owner] What came so far. */
  lathe_error *(*generation_result)(const lathe_generation *generation,
                                    lathe_generate_result *result);
  /* [last] */
  void (*generation_destroy)(lathe_generation *generation);

  /*--- encoders; since 1.2 ---------------------------------------------------*/

  /* [any] The vectors of `count` texts, of a model that was opened from a folder with
   * config.json and model.safetensors: [count][embedding] floats at `vectors`, which has
   * room for `capacity` of them.  A text's vector is the same bits alone or beside
   * others.  Calls take turns.  `options` may be NULL.  E0804 too little room, E0808 an
   * option out of range, E0834 no encoder.  Texts of too many tokens lose their end,
   * which the log callback is told (E0836). */
  lathe_error *(*model_embed)(const lathe_model *model, const lathe_text *texts, size_t count,
                              const lathe_embed_options *options, float *vectors, size_t capacity);

  /* [any] Makes a classifier of an encoder with the file `path` of `lathe calibrate
   * --task classify`; NULL: with that of its options, or what its artefact carries, E0108 when
   * that is nothing.  E02xx and E0843 a file that cannot be read, E0844 one that is for another
   * model, E0834 no encoder. */
  lathe_error *(*classifier_open)(const lathe_model *model, const char *path,
                                  lathe_classifier **classifier);
  /* [last] */
  void (*classifier_destroy)(lathe_classifier *classifier);
  /* [any] The name of a label, which lives as long as the classifier; they are counted
   * from 0, and one that is not there is E0839. */
  lathe_error *(*classifier_label)(const lathe_classifier *classifier, int32_t label,
                                   const char **name);
  /* [any] The labels of `count` texts, one after the other; a text's is the same alone
   * or behind others.  `exit`: LATHE_EXIT_...  Calls take turns with those of
   * model_embed.  Texts of too many tokens lose their end (E0836). */
  lathe_error *(*classifier_classify)(const lathe_classifier *classifier, const lathe_text *texts,
                                      size_t count, int32_t exit,
                                      const lathe_classify_results *results);

  /* [owner] Since 1.2.  Of the steps so far how many left the layers behind each: writes the
   * first `capacity` of them and tells in `count` how many layers there are, which is 0
   * where no step may leave. */
  lathe_error *(*generation_exits)(const lathe_generation *generation, int64_t *steps,
                                   size_t capacity, size_t *count);
} lathe_api;

/* The table for programs of `version` (LATHE_API_VERSION); NULL when this library
 * has another major or an older minor version.  Lives for ever; any thread. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const lathe_api *lathe_get_api(uint32_t version);

#ifdef __cplusplus
}
#endif

#endif /* LATHE_LATHE_H */
