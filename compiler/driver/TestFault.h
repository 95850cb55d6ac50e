//===- TestFault.h - A pass with every kind of fault ------------*- C++ -*-===//

#ifndef LATHE_COMPILER_DRIVER_TESTFAULT_H
#define LATHE_COMPILER_DRIVER_TESTFAULT_H

namespace lathe::compiler {

/// Registers lathe-test-fault{kind=abort|fatal|invalid|segfault|silent|stack}.
void registerTestFaultPass();

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_TESTFAULT_H
