# cmake --install: headers, library, command with its pages and completions, CMake package and oncelog.pc.
# Everything is found relative to the installed files, so the prefix can be moved.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/oncelog)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS oncelog EXPORT oncelogTargets FILE_SET HEADERS)
# Its headers are unstable, and lie apart: <sim/sim_disk.h> for those who link oncelog::sim.
install(TARGETS oncelog_sim EXPORT oncelogTargets
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/oncelog_sim)
install(EXPORT oncelogTargets NAMESPACE oncelog:: DESTINATION ${package_dir})
if(TARGET oncelog_cli)
  install(TARGETS oncelog_cli)
  set(made ${PROJECT_BINARY_DIR}/tools)
  install(DIRECTORY ${made}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
  install(FILES ${made}/completions/oncelog
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${made}/completions/_oncelog
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${made}/completions/oncelog.fish
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

configure_package_config_file(
  ${CMAKE_CURRENT_LIST_DIR}/oncelogConfig.cmake.in ${PROJECT_BINARY_DIR}/oncelogConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/oncelogConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/oncelogConfig.cmake ${PROJECT_BINARY_DIR}/oncelogConfigVersion.cmake
        DESTINATION ${package_dir})

string(REPLACE ";" ", " pc_requires "${ONCELOG_PKG_MODULES}")
file(RELATIVE_PATH pc_prefix /${pkgconfig_dir} /)
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/oncelog.pc.in ${PROJECT_BINARY_DIR}/oncelog.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/oncelog.pc DESTINATION ${pkgconfig_dir})
