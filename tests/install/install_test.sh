#!/bin/sh
# install_test.sh CMAKE BUILD_DIR WORK_DIR CXX LIBDIR CONFIG: installs a build into a prefix of its own, moves
# that prefix, and builds and runs a consumer against it: by find_package, then by pkg-config.
set -eu
cmake=$1 build=$2 work=$3 cxx=$4 libdir=$5 config=$6
here=$(cd "$(dirname "$0")" && pwd)
expected=OUT_OF_ORDER_SEQUENCE_NUMBER

fail() {
  echo "install: $*" >&2
  exit 1
}

rm -rf "$work"
mkdir -p "$work"
"$cmake" --install "$build" --config "$config" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"  # what was installed may not know where it was
prefix=$work/prefix

for file in include/oncelog/oncelog.h "$libdir/cmake/oncelog/oncelogConfig.cmake" \
            "$libdir/cmake/oncelog/oncelogConfigVersion.cmake" "$libdir/cmake/oncelog/oncelogTargets.cmake" \
            "$libdir/pkgconfig/oncelog.pc"; do
  [ -f "$prefix/$file" ] || fail "$file was not installed"
done
if [ -x "$build/tools/oncelog" ]; then
  [ -x "$prefix/bin/oncelog" ] || fail "bin/oncelog was not installed"
  "$prefix/bin/oncelog" --help >/dev/null || fail "bin/oncelog does not run"
  for file in man/man1/oncelog.1 man/man1/oncelog-why-lso.1 bash-completion/completions/oncelog \
              zsh/site-functions/_oncelog fish/vendor_completions.d/oncelog.fish; do
    [ -s "$prefix/share/$file" ] || fail "share/$file was not installed"
  done
fi

echo "== find_package"
"$cmake" -S "$here" -B "$work/by_cmake" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$prefix" \
         -DCMAKE_FIND_PACKAGE_NO_PACKAGE_REGISTRY=ON >"$work/by_cmake.log" || { cat "$work/by_cmake.log"; exit 1; }
"$cmake" --build "$work/by_cmake"
answer=$("$work/by_cmake/consumer")
[ "$answer" = "$expected" ] || fail "by CMake: expected $expected, got $answer"
"$work/by_cmake/sim_consumer" || fail "the simulated disk of oncelog::sim does not serve a store"

echo "== pkg-config"
PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH
# Unquoted on purpose: these are lists of flags.
# shellcheck disable=SC2046
"$cxx" -std=c++23 "$here/consumer.cc" -o "$work/by_pkg_config" $(pkg-config --cflags --libs --static oncelog)
answer=$(LD_LIBRARY_PATH="$prefix/$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" "$work/by_pkg_config")
[ "$answer" = "$expected" ] || fail "by pkg-config: expected $expected, got $answer"

echo "== $answer, both ways"
