// lathe-fuse finds no fault in a valid program; what it cannot be told is a wrong option.
// RUN: not lathe-opt %s --lathe-fuse=prologues=perhaps 2>&1 | FileCheck %s --check-prefix=VALUE
// RUN: not lathe-opt %s --lathe-fuse=prolog=true 2>&1 | FileCheck %s --check-prefix=NAME

// VALUE: 'perhaps' is invalid value for boolean argument
// NAME: no such option prolog
func.func @nothing() {
  return
}
