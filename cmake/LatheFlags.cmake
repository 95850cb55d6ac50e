# Warnings, hardening and sanitizers for every target of the project.
# The hardening set is the one SECURITY.md names.
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

add_compile_options(-Wall -Wextra -Wno-unused-parameter -fno-exceptions -fstack-protector-strong -fcf-protection)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT LATHE_SANITIZE AND NOT LATHE_FUZZ)
  add_compile_definitions(_FORTIFY_SOURCE=3)
endif()
add_link_options(-Wl,-z,relro,-z,now)

if(LATHE_SANITIZE OR LATHE_FUZZ)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=address,undefined)
endif()
if(LATHE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(LATHE_CCACHE ccache)
if(LATHE_CCACHE)
  # A precompiled header is only cacheable without its time stamp, and paths
  # count from the source folder, so that another clone of it hits as well.
  set(LATHE_CCACHE_COMMAND ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${LATHE_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${LATHE_CCACHE_COMMAND})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LATHE_CCACHE_COMMAND})
  add_compile_options("$<$<COMPILE_LANG_AND_ID:CXX,Clang>:SHELL:-Xclang -fno-pch-timestamp>")
endif()
