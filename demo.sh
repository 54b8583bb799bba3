#!/bin/sh
# Builds Hallpass and runs its demonstration: real services on loopback whose calls carry real identities.
# Ends with a table of hops; exits non-zero when one of them did not go as it should.
# Arguments are passed on to the demonstration (`examples/demo`).
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"
need_c_compiler
need_cargo
cd "$root"
exec cargo run --locked --package demo -- --once "$@"
