# What the library links. A new dependency is one line here: the build, the installed CMake package and the
# installed oncelog.pc all read this list. None of these types shows in include/, so a user of the static
# library has to link them, and nobody has to include them.

set(ONCELOG_PKG_MODULES
  libisal     # CRC-32C
  libxxhash   # XXH3: seals, state values
  lmdb        # producer state
  zlib        # codec gzip
  snappy      # codec snappy
  liblz4      # codec lz4
  libzstd     # codec zstd
)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(ONCELOG_DEPENDENCY_TARGETS Threads::Threads)
foreach(module IN LISTS ONCELOG_PKG_MODULES)
  pkg_check_modules(${module} REQUIRED QUIET IMPORTED_TARGET ${module})
  list(APPEND ONCELOG_DEPENDENCY_TARGETS PkgConfig::${module})
endforeach()

# xxHash's own choice of the widest vectors that the processor has: three times as fast as a library compiled for all
# of x86-64. Not every libxxhash has it.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::libxxhash)
check_cxx_source_compiles("#include <xxhash.h>\n#include <xxh_x86dispatch.h>\n
int main() { return XXH3_128bits_update_dispatch(XXH3_createState(), \"\", 0); }" ONCELOG_HAS_XXH_DISPATCH)
unset(CMAKE_REQUIRED_LIBRARIES)
