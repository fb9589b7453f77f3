#!/bin/sh
# scenarios.sh CLI: runs the black-box scenarios of the folder ONCELOG_SCENARIOS against `CLI shell`.
# Without that folder the test is skipped (77).
set -eu
cli=$1
here=$(dirname "$0")

if [ -z "${ONCELOG_SCENARIOS:-}" ] || [ ! -d "$ONCELOG_SCENARIOS" ]; then
  echo "scenarios: not here, skipped"
  exit 77
fi

set --
if [ -f "$here/disputed.txt" ]; then
  set -- "$@" --disputed "$here/disputed.txt"
fi
exec python3 "$ONCELOG_SCENARIOS/run.py" "$@" -- "$cli" shell
