//===- SiblingFile.h - Files that are installed with us ---------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_SIBLINGFILE_H
#define LATHE_RUNTIME_SUPPORT_SIBLINGFILE_H

#include <string>

namespace lathe {

/// The file that the environment's `Variable` names; else `Name` in ../lib of, or
/// beside, the file that holds the runtime or the program.  Empty when there is
/// no such file.
std::string findSiblingFile(const std::string &Name, const char *Variable);

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_SIBLINGFILE_H
