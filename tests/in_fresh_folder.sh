#!/bin/sh
# in_fresh_folder.sh FOLDER COMMAND [ARG...]: makes FOLDER anew, empty, and runs the command.
set -eu
rm -rf "$1"
mkdir -p "$1"
shift
exec "$@"
