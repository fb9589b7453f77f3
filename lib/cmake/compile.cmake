# How our own code is compiled. Warnings touch our targets only, sanitizers everything in the build.

function(oncelog_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  if(ONCELOG_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(ONCELOG_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC's own manual: sanitizers make this warning see paths that are not there.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
endfunction()

if(ONCELOG_SANITIZE)
  set(sanitize_flags -fsanitize=${ONCELOG_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_options(${sanitize_flags})
  add_link_options(${sanitize_flags})
endif()
