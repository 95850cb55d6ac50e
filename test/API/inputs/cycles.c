/* Loads and unloads a library and a model in it, again and again, and tells what grew:
 *
 *   cycles LIBRARY MODEL COUNT [leak]
 *
 * MODEL "-" is the model of the library.  With "leak", sessions are not destroyed, so that growth
 * must be found. */

#define _GNU_SOURCE

#include "lathe/lathe.h"

#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a process holds. */
typedef struct held {
  size_t heap, mappings, mapped, files, threads;
} held;

static size_t entries_of(const char *folder) {
  DIR *all = opendir(folder);
  size_t count = 0;
  while (all && readdir(all))
    ++count;
  if (all)
    closedir(all);
  return count;
}

static held look(void) {
  struct mallinfo2 heap = mallinfo2();
  held now = {heap.uordblks + heap.hblkhd, 0, 0, 0, 0};
  FILE *maps = fopen("/proc/self/maps", "r");
  unsigned long begin, end;
  /* The heap's own mappings are counted as heap. */
  for (char line[512]; maps && fgets(line, sizeof line, maps);)
    if (sscanf(line, "%lx-%lx", &begin, &end) == 2) {
      now.mappings += 1;
      now.mapped += strstr(line, "[heap]") ? 0 : end - begin;
    }
  if (maps)
    fclose(maps);
  now.files = entries_of("/proc/self/fd");
  now.threads = entries_of("/proc/self/task");
  return now;
}

static int cycle(const char *library, const char *path, int leak) {
  void *loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  const lathe_api *(*get)(uint32_t) = NULL;
  const lathe_api *api;
  lathe_model *model = NULL;
  lathe_session *session = NULL;
  lathe_session_options options = {.struct_size = sizeof options, .capacity = 256, .sequences = 1};
  const int32_t token = 1;
  lathe_error *error;
  if (loaded)
    *(void **)&get = dlsym(loaded, "lathe_get_api");
  api = get ? get(LATHE_API_VERSION) : NULL;
  if (!api)
    return 1;
  error = api->model_open(path, NULL, &model);
  if (!error)
    error = api->session_create(model, &options, &session);
  if (!error)
    error = api->session_append(session, 0, &token, 1, LATHE_LOGITS_NONE, NULL, 0);
  if (error) {
    fputs(api->error_text(error), stderr);
    return 1;
  }
  if (!leak)
    api->session_destroy(session);
  api->model_destroy(model);
  return dlclose(loaded);
}

static int grew(const char *what, size_t early, size_t late, size_t slack) {
  printf("%s %zu then %zu\n", what, early, late);
  return late > early + slack;
}

int main(int argc, char **argv) {
  int count = argc > 3 ? atoi(argv[3]) : 0, bad = 0;
  const char *path = argc > 2 && strcmp(argv[2], "-") != 0 ? argv[2] : NULL;
  held early, late;
  if (count < 20)
    return 2;
  for (int i = 0; i < count; ++i) {
    if (cycle(argv[1], path, argc > 4) != 0)
      return 3;
    /* Threads leave arenas and stacks to those that follow. */
    if (i == count / 5)
      early = look();
  }
  late = look();
  /* Less than 256 bytes and a tenth of a page a cycle: what malloc keeps for threads varies. */
  bad |= grew("heap", early.heap, late.heap, 16384);
  bad |= grew("mappings", early.mappings, late.mappings, 0);
  bad |= grew("mapped", early.mapped, late.mapped, 32768);
  bad |= grew("files", early.files, late.files, 0);
  bad |= grew("threads", early.threads, late.threads, 0);
  return bad ? 1 : 0;
}
