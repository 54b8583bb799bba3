#!/bin/sh
# Makes the executable twice: first one that counts what it does, which is put under the loads of the gateway's benchmark, and then one that is laid out
# by these counts. It responds to the same requests with less of a processor (bench/README.md says how much), and takes three times as long to make. The
# same commit does not make the same file, since no two loads are the same.
#
#   deploy/trained.sh [--target TARGET]       prints the path of the executable; by default for x86_64-unknown-linux-musl. It must run on this machine. One for
#                                             x86_64-unknown-linux-gnu needs the C library of this machine or a newer one, and less of a processor yet
#   deploy/package.sh --executable FILE       packs it
#
# Needs what deploy/package.sh needs; with rustup the component llvm-tools, or llvm-profdata of the same LLVM as LLVM_PROFDATA; and for the loads two
# processors, and nginx, taskset, kill, wrk and h2load (Debian: nginx-light util-linux procps wrk nghttp2-client).
set -eu
# Debian has nginx where only root looks.
export PATH="$PATH:/usr/sbin"
# They would have the builds and the counts end up elsewhere.
unset CARGO_BUILD_TARGET LLVM_PROFILE_FILE
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=x86_64-unknown-linux-musl

say() { printf '%s\n' "trained: $*" >&2; }
fail() {
    say "$@"
    exit 1
}

while [ $# -gt 0 ]; do
    case "$1" in
    --target)
        [ $# -ge 2 ] || fail "$1 needs a value"
        target=$2
        shift
        ;;
    *) fail "$1 is not --target" ;;
    esac
    shift
done
for tool in nginx taskset wrk h2load; do
    command -v "$tool" >/dev/null 2>&1 ||
        fail "$tool is not installed: apt-get install nginx-light util-linux wrk nghttp2-client"
done
# The program, which is not the one of the shell.
env kill -l >/dev/null 2>&1 || fail 'kill is not installed: apt-get install procps'
for processor in 0 1; do
    taskset -c "$processor" true 2>/dev/null || fail "processor $processor cannot be used here: the loads need 0 and 1"
done
case "$target" in
*-musl) command -v musl-gcc >/dev/null 2>&1 || fail 'musl-gcc is not installed: apt-get install musl-tools' ;;
esac
cd "$root"
if command -v rustup >/dev/null 2>&1; then
    rustup target add "$target" >&2
    rustup component add llvm-tools >&2
fi
profdata=${LLVM_PROFDATA:-$(rustc --print target-libdir)/../bin/llvm-profdata}
[ -x "$profdata" ] || fail "$profdata is missing: rustup component add llvm-tools, or set LLVM_PROFDATA"

folder=$(mkdir -p "${CARGO_TARGET_DIR:-target}/trained" && cd "${CARGO_TARGET_DIR:-target}/trained" && pwd)
# Executables made with other flags stand in folders of their own, so that neither has the other one made anew. The one flag may have spaces in it.
make() {
    CARGO_ENCODED_RUSTFLAGS="$2" CARGO_TARGET_DIR="$folder/$1" \
        cargo build --locked --release --package hallpass-cli --target "$target" >&2
}

say 'an executable that counts'
rm -rf "$folder/counts" "$folder/load"
make counting "-Cprofile-generate=$folder/counts"
say 'the load'
cargo build --locked --release --package hallpass-bench >&2
mkdir -p "$folder/load"
cp "${CARGO_TARGET_DIR:-target}/release/hallpass-bench" "$folder/counting/$target/release/hallpass" "$folder/load"
# What was not under load is laid out as if nobody ever used it.
"$folder/load/hallpass-bench" gateway --rounds 1 --seconds 3 --requests 50000 'hallpass gateway' >"$folder/load/said" 2>&1 ||
    { cat "$folder/load/said" >&2; fail 'the load has failed'; }
cat "$folder/load/said" >&2
! grep -q -e '| 0 |$' -e 'was killed' "$folder/load/said" || fail 'a part of the load has failed: see above'
"$profdata" merge --output "$folder/profile" "$folder/counts" >&2
say 'the executable'
make made "-Cprofile-use=$folder/profile"
printf '%s\n' "$folder/made/$target/release/hallpass"
