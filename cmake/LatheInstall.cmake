# What `cmake --install` puts where, and the package that find_package(Lathe) reads:
# Lathe::runtime is liblathe.so with its headers; Lathe::compiler is what it opens to compile.
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Lathe)

install(TARGETS lathe-runtime EXPORT LatheTargets)
if(TARGET lathe-compiler)
  # Where libMLIR and libLLVM were found.
  set_target_properties(lathe-compiler PROPERTIES EXPORT_NAME compiler INSTALL_RPATH_USE_LINK_PATH ON)
  target_include_directories(lathe-compiler INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  install(TARGETS lathe-compiler EXPORT LatheTargets)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/runtime/include/lathe DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

install(EXPORT LatheTargets NAMESPACE Lathe:: DESTINATION ${package_folder})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/LatheConfig.cmake.in
  ${PROJECT_BINARY_DIR}/LatheConfig.cmake INSTALL_DESTINATION ${package_folder})
# Before 1.0 a minor version may change anything.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/LatheConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/LatheConfig.cmake ${PROJECT_BINARY_DIR}/LatheConfigVersion.cmake
  DESTINATION ${package_folder})
