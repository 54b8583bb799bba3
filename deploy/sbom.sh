#!/bin/sh
# Prints what the executable is made of, as CycloneDX 1.5 in JSON: each package with its version, licence, checksum and dependencies, as cargo
# resolves them for this executable alone. What only the build needs (macros, compilers of C) has the scope `excluded`.
#
#   deploy/sbom.sh [TARGET [FEATURES]]        TARGET: x86_64-unknown-linux-musl; FEATURES: the default ones
#
# The moment in it is SOURCE_DATE_EPOCH, so that the same commit brings the same file; without it there is none.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
target=${1:-x86_64-unknown-linux-musl}

tree() {
    edges=$1
    set -- "$target" ${2+"$2"}
    features=
    [ $# -lt 2 ] || features="--no-default-features --features=$(printf %s "$2" | tr ' ' ,)"
    # shellcheck disable=SC2086 # several words, or none
    cargo tree --locked --package hallpass-cli --edges "$edges" --target "$1" $features --prefix depth --format '|{p}|{l}'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree normal,build ${2+"$2"} >"$work/all"
tree normal,no-proc-macro ${2+"$2"} >"$work/running"
moment=
[ -z "${SOURCE_DATE_EPOCH-}" ] || moment=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

awk -v moment="$moment" -v lock=Cargo.lock -v running="$work/running" -f deploy/sbom.awk "$work/all"
