//===- Text.h - Untrusted text and numbers in messages ----------*- C++ -*-===//
//
// Names that come from files may hold anything, also what steers a terminal.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_TEXT_H
#define LATHE_RUNTIME_SUPPORT_TEXT_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lathe {

/// `Text` with control characters other than newline and tab as \xNN.
std::string escapeControls(std::string_view Text);

/// `Text` in single quotes, without control characters and shortened to about
/// `MaxBytes`: for names in messages.
std::string quoted(std::string_view Text, size_t MaxBytes = 80);

/// `Value` with `Digits` digits after the point.
std::string formatFixed(double Value, int Digits);

/// Two lower-case hexadecimal digits for every byte.
std::string hexText(std::span<const unsigned char> Bytes);

/// "1.9 GiB", "512.0 MiB", "17 bytes".
std::string formatBytes(uint64_t Bytes);

/// What the operating system says about an errno value, in lower case.
std::string describeErrno(int Errno);

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_TEXT_H
