# What `cmake --install build --prefix P [--component vhd]` puts under P, for programs that embed the
# VHD engine: libviridian-vhd with its C header, the C++ libraries with theirs, a CMake package and
# a pkg-config file, and vhdtool. Nothing of it names P: the tree can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Headers of the C++ libraries keep their paths from the root: "vhd/open_disk.h".
set(VIRIDIAN_CXX_INCLUDE ${CMAKE_INSTALL_INCLUDEDIR}/viridian-vhd)
set(VIRIDIAN_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/viridian-vhd)

install(TARGETS viridian_vhd_c EXPORT viridian-vhd-c
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT vhd)
install(DIRECTORY vhd/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT vhd)

foreach(folder base io vhd)
  set_target_properties(viridian_${folder} PROPERTIES EXPORT_NAME ${folder})
  target_include_directories(viridian_${folder} INTERFACE
    $<INSTALL_INTERFACE:${VIRIDIAN_CXX_INCLUDE}>)
  install(TARGETS viridian_${folder} EXPORT viridian-vhd-cxx
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT vhd)
  file(GLOB headers CONFIGURE_DEPENDS ${folder}/*.h)
  install(FILES ${headers} DESTINATION ${VIRIDIAN_CXX_INCLUDE}/${folder} COMPONENT vhd)
endforeach()

foreach(language c cxx)
  install(EXPORT viridian-vhd-${language} FILE viridian-vhd-${language}.cmake
    NAMESPACE viridian:: DESTINATION ${VIRIDIAN_PACKAGE_DIR} COMPONENT vhd)
endforeach()
set(generated ${CMAKE_BINARY_DIR}/install)
configure_file(scripts/cmake/viridian-vhd-config.cmake ${generated}/viridian-vhd-config.cmake
  COPYONLY)
write_basic_package_version_file(${generated}/viridian-vhd-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${generated}/viridian-vhd-config.cmake ${generated}/viridian-vhd-config-version.cmake
  DESTINATION ${VIRIDIAN_PACKAGE_DIR} COMPONENT vhd)

# From the folder of the .pc file back to the prefix.
file(RELATIVE_PATH VIRIDIAN_PC_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(scripts/cmake/viridian-vhd.pc.in ${generated}/viridian-vhd.pc @ONLY)
install(FILES ${generated}/viridian-vhd.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT vhd)

set(texts ${CMAKE_BINARY_DIR}/vhd/tool)
install(FILES ${texts}/vhdtool.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT vhd)
install(FILES ${texts}/vhdtool.bash RENAME vhdtool COMPONENT vhd
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${texts}/_vhdtool COMPONENT vhd
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(TARGETS vhdtool RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT vhd)
install(DIRECTORY vhd/examples DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/viridian-vhd COMPONENT vhd)
