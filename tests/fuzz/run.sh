#!/usr/bin/env bash
# tests/fuzz/run.sh [--seconds N | --runs N | --short | --coverage] [--fast] [--merge] [THING...]: builds the preset
# `fuzz` and lets each target (or those named) search, one after the other, from the committed corpus on: N seconds (10
# if nothing is said) or N executions. Prints executions, executions a second and coverage of each: edges that were
# reached, out of all in the program, of which a target needs a part only, and libFuzzer's features (edges, with how
# often).
#   --short  as many executions as take some seconds, from one seed on and from the committed corpus alone: nearly the
#            same ones each time, for continuous integration, where a failure should be the change's and not luck's.
#   --fast   takes the preset `fuzz-fast`, without sanitizers: several times the executions. What it finds is gone over
#            under the sanitizers by the next run without.
#   --merge  takes over into the committed corpus what reaches more than it does.
#   --coverage  no search: which lines of the library files that a target is about its committed corpus reaches, by
#            the preset `fuzz-coverage`. Needs llvm-19 (`tools/setup coverage`).
# What is found new stays in build/fuzz/corpus, where the next run goes on. An input that breaks a target is in
# build/fuzz/found: give it a name that says what it broke, put it into the corpus, then mend what broke. Status 1 if
# there was one, 3 without clang-19.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

usage() {
  echo "usage: tests/fuzz/run.sh [--seconds N | --runs N | --short | --coverage] [--fast] [--merge] [THING...]" >&2
  exit 2
}
limit=(-max_total_time=10)
merges=
preset=fuzz
short=
coverage=
things=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) [ $# -ge 2 ] || usage; limit=("-max_total_time=$2"); shift ;;
    --runs) [ $# -ge 2 ] || usage; limit=("-runs=$2"); shift ;;
    --short) short=1 ;;
    --coverage) coverage=1 preset=fuzz-coverage ;;
    --fast) preset=fuzz-fast ;;
    --merge) merges=1 ;;
    -*) usage ;;
    *) things+=("$1") ;;
  esac
  shift
done
if [ ${#things[@]} -eq 0 ]; then
  for folder in tests/fuzz/corpus/*/; do things+=("$(basename "$folder")"); done
fi

command -v clang++-19 >/dev/null || {
  echo "tests/fuzz/run.sh: no clang++-19 here; tools/setup installs it where apt-get has it" >&2
  exit 3
}
if [ -n "$coverage" ] && ! command -v llvm-cov-19 llvm-profdata-19 >/dev/null; then
  echo "tests/fuzz/run.sh: no llvm-cov-19 here; tools/setup coverage installs it where apt-get has it" >&2
  exit 3
fi
cmake --preset $preset >/dev/null
cmake --build --preset $preset --target "${things[@]/#/fuzz_}"

about() { # the library files whose bytes a target makes up
  case $1 in
    batch) echo lib/record/batch_{check,header,view}.cc lib/record/record_codec.cc ;;
    records) echo lib/record/{record_codec,compression}.cc lib/record/codec_{gzip,lz4,snappy,zstd}.cc ;;
    committed_records) echo lib/record/{committed_records,record_reader,control_record}.cc ;;
    segment_scan) echo lib/segment/{batch_scan,header_walk}.cc lib/{record/legacy_message,inspect/scan_batches}.cc ;;
    checkpoint) echo lib/log/{checkpoint,leader_epochs}.cc ;;
    clean_record) echo lib/store/clean_record.cc ;;
    kafka_snapshot | state_rows | lmdb_check) echo "lib/snapshot/$1.cc" ;;
    fault_plan) echo lib/sim/fault_plan.cc ;;
    coordinator_record) echo lib/inspect/{coordinator_record,schema_reader}.cc ;;
    store) echo lib/log/{recovery,scan_log,settle_directory}.cc lib/store/store.cc lib/inspect/*_check*.cc ;;
    shell_line) echo tools/oncelog/shell_*.cc ;;
    *) echo "lib/segment/$1.cc" ;;
  esac
}

print_coverage() { # of the targets that are named
  local thing program raw profile
  mkdir -p build/fuzz/coverage
  printf '%-18s %-24s %7s %7s %9s\n' target file lines missed covered
  for thing in "$@"; do
    program=build/$preset/tests/fuzz/fuzz_$thing
    raw=build/fuzz/coverage/$thing.profraw
    profile=build/fuzz/coverage/$thing.profdata
    LLVM_PROFILE_FILE=$raw "$program" -runs=0 "tests/fuzz/corpus/$thing" >/dev/null 2>&1
    llvm-profdata-19 merge -sparse -o "$profile" "$raw"
    # By their last names: how the others begin depends on how they were compiled.
    llvm-cov-19 report "$program" -instr-profile="$profile" -show-region-summary=false -show-branch-summary=false |
      awk -v target="$thing" -v wanted="$(about "$thing")" '
        BEGIN {
          count = split(wanted, paths, " ")
          for (i = 1; i <= count; ++i) {
            sub(".*/", "", paths[i])
            is_wanted[paths[i]] = 1
          }
        }
        { sub(".*/", "", $1) }
        is_wanted[$1] { printf "%-18s %-24s %7s %7s %9s\n", target, $1, $(NF - 2), $(NF - 1), $NF }'
  done
}
if [ -n "$coverage" ]; then
  print_coverage "${things[@]}"
  exit 0
fi

bytes_max() { # inputs larger than that only make an execution slower
  case $1 in
    lmdb_check | store) echo 512 ;;
    append_ring) echo 6144 ;;
    batch | records | clean_record | state_rows) echo 1024 ;;
    *) echo 4096 ;;
  esac
}

short_runs() { # of a target in some seconds
  case $1 in
    store) echo 1500 ;;
    shell_line) echo 4000 ;;
    lmdb_check) echo 15000 ;;
    segment_scan) echo 25000 ;;
    *) echo 100000 ;;
  esac
}

# Short call stacks where memory is taken, and little kept back: the sanitizer's defaults take half of the time.
export ASAN_OPTIONS="malloc_context_size=5:quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
# Bounds of a single allocation and of all: what the bytes claim must not be believed. The largest one is libzstd's
# window for the highest level, 128 MiB and a little, which is reserved and only touched as far as there is data.
common=(-rss_limit_mb=1024 -malloc_limit_mb=136 -timeout=20 -print_final_stats=1)
build=build/fuzz
mkdir -p $build/found
status=0
printf '%-18s %12s %9s %16s %9s %7s\n' target executions 'per sec' 'edges' features inputs
for thing in "${things[@]}"; do
  program=build/$preset/tests/fuzz/fuzz_$thing
  committed=tests/fuzz/corpus/$thing
  found=$build/corpus/$thing
  log=$build/found/$thing.log
  if [ -n "$short" ]; then
    # What earlier runs have found would make another run of this one.
    found=$build/corpus/short-$thing
    rm -rf "$found"
    limit=(-seed=1 "-runs=$(short_runs "$thing")")
  fi
  mkdir -p "$found"
  failed=
  "$program" "${limit[@]}" "${common[@]}" -max_len="$(bytes_max "$thing")" -artifact_prefix="$build/found/$thing-" \
    "$found" "$committed" >"$log" 2>&1 || failed=1
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  per_second=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
  edges=$(grep -ao 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
  all_edges=$(sed -n 's/^INFO: Loaded 1 modules *(\([0-9]*\) inline.*/\1/p' "$log")
  features=$(grep -ao 'ft: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
  inputs=$(grep -ao 'corp: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)
  printf '%-18s %12s %9s %7s / %-6s %9s %7s\n' "$thing" "${executions:-?}" "${per_second:-?}" "${edges:-?}" \
    "${all_edges:-?}" "${features:-?}" "${inputs:-?}"
  if [ -n "$failed" ]; then
    status=1
    echo "tests/fuzz/run.sh: $thing broke, the end of $log:" >&2
    tail -40 "$log" >&2
  elif [ -n "$merges" ]; then
    "$program" -set_cover_merge=1 "$committed" "$found" >/dev/null 2>&1
  fi
done
exit $status
