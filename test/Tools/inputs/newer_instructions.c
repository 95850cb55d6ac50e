/* Three instructions that x86-64 did not begin with, and one that it did. */
void newer(void) {
  __asm__ volatile("vpaddd %ymm0, %ymm1, %ymm2\n popcnt %eax, %eax\n"
                   "pshufb %xmm0, %xmm1\n paddd %xmm0, %xmm1");
}
