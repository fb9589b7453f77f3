# How our own code is compiled. Warnings touch our targets only, sanitizers everything in the build.

function(oncelog_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(ONCELOG_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC bug 105651: sees an overlap in the standard library's own std::string.
    target_compile_options(${target} PRIVATE -Wno-restrict)
    # GCC bug 80635: at -O3 it reads the alternative that a std::optional or std::variant does not hold.
    target_compile_options(${target} PRIVATE "$<$<CONFIG:Release>:-Wno-maybe-uninitialized>")
  endif()
  if(ONCELOG_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's own manual: sanitizers make this warning see paths that are not there.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
endfunction()

# GCC forgets of what is precompiled that it is the system's, and sees overruns in libstdc++'s strings. The release
# preset compiles the library without, and with these warnings.
function(oncelog_expect_precompiled_headers target)
  target_compile_options(${target} PRIVATE
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread>")
endfunction()

# libstdc++ 12 shows <expected> only to a compiler that claims all of C++20's concepts. Clang 19 has what it uses
# and claims one date less (__cpp_concepts 201907), for a corner that <expected> does not touch.
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("#include <expected>\nint main() { return std::expected<int, int>(0).value(); }"
                          ONCELOG_HAS_EXPECTED)
if(NOT ONCELOG_HAS_EXPECTED AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-D__cpp_concepts=202002L -Wno-builtin-macro-redefined)
endif()

if(ONCELOG_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ONCELOG_FUZZ needs Clang: libFuzzer comes with it")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)  # counts edges everywhere; the targets link the rest
endif()

if(ONCELOG_SANITIZE)
  set(sanitize_flags -fsanitize=${ONCELOG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_options(${sanitize_flags})
  add_link_options(${sanitize_flags})
endif()
