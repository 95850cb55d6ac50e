//===- Fiber.cpp - Threads that one processor runs in turn -----------------===//

#include "compiler/cuemu/Fiber.h"

using namespace lathe::cuemu;

/// Keeps the stack pointer at `*from` and goes on with another stack, whose top holds
/// what the x86-64 System V ABI says that a function preserves.
extern "C" void lathe_cuemu_switch(void **from, void *to);
/// What a new stack returns to: calls the function in rbx with what is in r12.
extern "C" void lathe_cuemu_begin();

asm(R"(
.text
.hidden lathe_cuemu_switch
.globl lathe_cuemu_switch
.type lathe_cuemu_switch, @function
lathe_cuemu_switch:
  endbr64
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lathe_cuemu_switch, .-lathe_cuemu_switch
.hidden lathe_cuemu_begin
.globl lathe_cuemu_begin
.type lathe_cuemu_begin, @function
lathe_cuemu_begin:
  endbr64
  movq %r12, %rdi
  call *%rbx
  ud2
.size lathe_cuemu_begin, .-lathe_cuemu_begin
)");

void Fiber::run(Fiber *fiber) {
  fiber->entry(fiber->argument);
  fiber->done = true;
  fiber->pause();
}

void Fiber::start(void *memory, size_t bytes, void (*function)(void *), void *with) {
  entry = function;
  argument = with;
  done = false;
  // As lathe_cuemu_switch leaves it: r15, r14, r13, r12, rbx, rbp, the return address.
  // A call pushes 8 bytes, so the stack is aligned to 16 when `run` is called.
  auto *top = static_cast<uintptr_t *>(memory) + bytes / sizeof(uintptr_t);
  top -= 2;
  *--top = reinterpret_cast<uintptr_t>(&lathe_cuemu_begin);
  *--top = 0;
  *--top = reinterpret_cast<uintptr_t>(&Fiber::run);
  *--top = reinterpret_cast<uintptr_t>(this);
  for (int i = 0; i < 3; ++i)
    *--top = 0;
  own = top;
}

void Fiber::resume() { lathe_cuemu_switch(&caller, own); }
void Fiber::pause() { lathe_cuemu_switch(&own, caller); }
