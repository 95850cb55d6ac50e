# Writes the lit site configurations of the two suites: text tests (test/) and unit tests (test/unit).
# `lit BUILD/test` then runs both.  Included by test/CMakeLists.txt.
find_program(LATHE_FILECHECK NAMES FileCheck HINTS /usr/lib/llvm-22/bin NO_DEFAULT_PATH)
find_program(LATHE_FILECHECK NAMES FileCheck-22)
get_filename_component(LATHE_LLVM_TOOLS_DIR "${LATHE_FILECHECK}" DIRECTORY)

# Where lathe_add_unit_test() puts its binaries, each named *Test.
set(LATHE_UNIT_DIR ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/unit)

configure_file(${PROJECT_SOURCE_DIR}/test/lit.site.cfg.py.in
  ${PROJECT_BINARY_DIR}/test/lit.site.cfg.py @ONLY)
configure_file(${PROJECT_SOURCE_DIR}/test/unit/lit.site.cfg.py.in
  ${PROJECT_BINARY_DIR}/test/unit/lit.site.cfg.py @ONLY)
