/* A driver as CudaDriver.h wants it, written by the documentation of the CUDA driver API: what it
   gives is chosen when it is compiled. */
#include <stddef.h>
#include <string.h>

#ifndef VERSION
#define VERSION 12040
#endif
#ifndef INIT
#define INIT 0
#endif
#ifndef MEMORY
#define MEMORY 0
#endif

enum { Devices = 3 };
static const struct {
  const char *name;
  int major, minor, processors, cooperative;
} devices[Devices] = {{"NVIDIA H200", 9, 0, 132, 1},
                      {"NVIDIA A100\033[31m", 8, 0, 108, 1},
                      {"Tesla T4", 7, 5, 40, 1}};

int cuInit(unsigned flags) { return flags ? 1 : INIT; }
int cuDriverGetVersion(int *version) {
  *version = VERSION;
  return 0;
}
int cuGetErrorName(int result, const char **name) {
  *name = result == 34 ? "CUDA_ERROR_STUB_LIBRARY" : NULL;
  return *name ? 0 : 1;
}
int cuDeviceGetCount(int *count) {
  *count = Devices;
  return INIT ? 3 : 0;
}
/* A handle is not the number of a device. */
int cuDeviceGet(int *device, int number) {
  *device = number + 7;
  return 0;
}
int cuDeviceGetName(char *name, int length, int device) {
  strncpy(name, devices[device - 7].name, length);
  return 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  switch (attribute) {
  case 16:
    *value = devices[device - 7].processors;
    return 0;
  case 75:
    *value = devices[device - 7].major;
    return 0;
  case 76:
    *value = devices[device - 7].minor;
    return 0;
  case 95:
    *value = devices[device - 7].cooperative;
    return 0;
  case 97:
    *value = 101376;
    return 0;
  }
  return 1;
}
#ifndef LACKS_MEMORY
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
  *bytes = (size_t)(device - 6) << 34;
  return MEMORY;
}
#endif
