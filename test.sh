#!/bin/sh
# Builds Hallpass and runs every test; the last lines are the test runner's own.
# Arguments are passed on to `cargo test`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"
need_c_compiler
need_cargo
cd "$root"
exec cargo test --locked --workspace --no-fail-fast "$@"
