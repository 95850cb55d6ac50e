/*===- device_abi.h - What kernels of GPUs and the runtime agree on - C -*-===*\
|*
|* Beside abi.h, of programs for GPUs alone.
|*
\*===----------------------------------------------------------------------===*/

#ifndef LATHE_DEVICE_ABI_H
#define LATHE_DEVICE_ABI_H

/* Bytes at the start of `scratch` that are zero when a kernel starts: its blocks count
 * in them.  What the manifest asks for beyond is memory of the step, and may hold
 * anything. */
#define LATHE_DEVICE_ZERO_BYTES 64

#endif /* LATHE_DEVICE_ABI_H */
