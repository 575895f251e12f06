# What every target of the project shares: language, warnings, sanitizers, and the helpers that
# declare a library, a program, a test, a benchmark or a fuzz target in one line each.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(VIRIDIAN_CCACHE ccache)
if(VIRIDIAN_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${VIRIDIAN_CCACHE})
endif()

find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing)
find_package(fmt REQUIRED)
find_package(tl-expected REQUIRED)
find_package(Boost REQUIRED)
find_package(Threads REQUIRED)

# DPDK, without the -march that its package brings: that would undo ours. Its headers need SSE4.2.
pkg_check_modules(DPDK REQUIRED libdpdk)
add_library(viridian_dpdk INTERFACE)
target_include_directories(viridian_dpdk SYSTEM INTERFACE ${DPDK_INCLUDE_DIRS})
target_compile_options(viridian_dpdk INTERFACE "SHELL:-include rte_config.h" -msse4.2)
target_link_libraries(viridian_dpdk INTERFACE ${DPDK_LINK_LIBRARIES})

add_library(viridian_options INTERFACE)
target_compile_options(viridian_options INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
target_include_directories(viridian_options INTERFACE ${CMAKE_SOURCE_DIR})
if(VIRIDIAN_SANITIZE)
  add_compile_options(-fsanitize=${VIRIDIAN_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${VIRIDIAN_SANITIZE})
  if(VIRIDIAN_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
if(VIRIDIAN_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# viridian_library(name SOURCES ... LINKS ...): the folder's library, viridian::name to others.
function(viridian_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
  add_library(viridian_${name} STATIC ${ARG_SOURCES})
  add_library(viridian::${name} ALIAS viridian_${name})
  target_compile_features(viridian_${name} PUBLIC cxx_std_20)
  # The warnings are ours, not those of who uses an installed library.
  target_link_libraries(viridian_${name} PUBLIC $<BUILD_INTERFACE:viridian_options> ${ARG_LINKS}
                                         PRIVATE ${ARG_PRIVATE_LINKS})
endfunction()

function(viridian_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE viridian_options ${ARG_LINKS})
endfunction()

# viridian_test(name SOURCES ... LINKS ...): a GoogleTest program, each test known to ctest.
function(viridian_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  viridian_program(${name} SOURCES ${ARG_SOURCES} LINKS ${ARG_LINKS} GTest::gtest GTest::gtest_main)
  gtest_discover_tests(${name} NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()

# A libFuzzer program. ctest (label fuzz) feeds it for VIRIDIAN_FUZZ_SECONDS, starting from the seeds
# in tests/fuzz/corpus/NAME where there are any, and always the same way: a change is judged, not
# its luck. By hand it goes on, another way each time. `fuzzers` builds all of them.
set(VIRIDIAN_FUZZ_SECONDS 30 CACHE STRING "How long ctest feeds each fuzz target")
add_custom_target(fuzzers)
function(viridian_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  viridian_program(${name} SOURCES ${ARG_SOURCES} LINKS ${ARG_LINKS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${name})
  set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
  if(NOT EXISTS ${corpus})
    set(corpus)
  endif()
  set(found ${CMAKE_CURRENT_BINARY_DIR}/${name}.found)
  file(MAKE_DIRECTORY ${found})
  add_test(NAME fuzz.${name}
    COMMAND ${name} -seed=1 -max_total_time=${VIRIDIAN_FUZZ_SECONDS} -timeout=30
      -rss_limit_mb=2048 ${found} ${corpus})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()
