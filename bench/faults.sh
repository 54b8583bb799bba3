#!/bin/sh
# Breaks an estate in every way that we know, under load, and says what its callers noticed: each measurement of a fault one after the other, then one table.
# Fails when one of them is not as promised: a call that failed, somebody let in or refused wrongly, a fault that was not felt, a recovery that came late. One that
# does not end is stopped, and is not as promised either.
#
#   bench/faults.sh                  some 40 minutes; builds with `cargo build --release` what it runs
#       --quick                      30 seconds a fault, at 200 calls a second, and a shorter rest: some 20 minutes
#       --only NAME                  this measurement or row alone; may come several times
#
# HALLPASS_BENCH=FILE takes this `hallpass-bench`, beside which `hallpass` stands, and builds nothing. Where Redis, PostgreSQL or a JVM is not there, what
# needs it is left out, which is said in the table; nothing is installed.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
seconds=40 rate=2000 step=5 minutes=4 quick='' only=''
while [ $# -gt 0 ]; do
    case "$1" in
    --quick) seconds=30 rate=200 step=1 minutes=1 quick=yes ;;
    --only)
        [ $# -ge 2 ] || { echo 'faults: --only needs a name' >&2; exit 64; }
        only="$only $2 "
        shift
        ;;
    *)
        echo "faults: $1 is none of: --quick, --only NAME" >&2
        exit 64
        ;;
    esac
    shift
done
cd "$root"
bench=${HALLPASS_BENCH-}
if [ -z "$bench" ]; then
    cargo build --locked --release --package hallpass-cli --package hallpass-bench >&2
    bench=${CARGO_TARGET_DIR:-target}/release/hallpass-bench
fi
if [ ! -x "$bench" ] || [ ! -x "$(dirname -- "$bench")/hallpass" ]; then
    echo "faults: $bench cannot be run, or has no hallpass beside it" >&2
    exit 64
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
table=$folder/table
: >"$table"
failed=0
# Beyond what any of them takes, the start of a JVM included.
limit=$((seconds * 4 + minutes * 60 + 600))
begun=$(date +%s)

# What cannot be had here, of what is named; nothing where all is there.
lacks() {
    for needed; do
        case "$needed" in
        redis) command -v redis-server >/dev/null 2>&1 && command -v redis-cli >/dev/null 2>&1 || echo ' redis-server' ;;
        nacos) command -v java >/dev/null 2>&1 && [ -f "${CARGO_TARGET_DIR:-target}/tmp/spring/nacos/nacos.jar" ] || echo ' Nacos (./test.sh builds it, with a JDK)' ;;
        postgres) ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || echo ' PostgreSQL' ;;
        esac
    done
}

# How many calls there were, and how many failed; and how long they took during the fault: of a table that says so.
figures() {
    awk -F ' *[|] *' -v row="$1" '
        $2 == row && $3 ~ /^[0-9]+ \// { print $3 " | " $6; exit }
        $2 == "replicas killed" { replicas = 1; next }
        $2 == "calls / failed" { for (i = 3; i < NF; i++) if ($i == "ms p50 / p99 / longest") times = i; next }
        /^[|]-/ { next }
        replicas { print $5 " / " $6 " | -"; exit }
        times { print $2 " | " $times; exit }
        row == "revocation" && $2 ~ /^a key is tainted: every caller/ { last = "- | " $5 }
        END { if (last != "") print last }
    ' "$2"
}

# One line of the table: NAME, what it needs, then the arguments of the bench.
fault() {
    name=$1 needs=$2
    shift 2
    case "$only" in '' | *" $name "* | *" $1 "*) ;; *) return 0 ;; esac
    # shellcheck disable=SC2086 # several words
    missing=$(lacks $needs | tr -d '\n')
    if [ -n "$missing" ]; then
        echo "!! SKIPPED: $name needs$missing"
        echo "| $name | - | - | SKIPPED: needs$missing | - |" >>"$table"
        return 0
    fi
    printf '\n== %s\n' "$name"
    from=$(date +%s)
    {
        status=0
        timeout --kill-after=10 "$limit" "$bench" "$@" 2>&1 || status=$?
        [ "$status" -lt 124 ] || echo "it did not end within $limit s"
        echo "$status" >"$folder/status"
    } | tee "$folder/said"
    result='as promised'
    if [ "$(cat "$folder/status")" != 0 ]; then
        result="**NOT**: $(tail -n 1 "$folder/said" | tr '|' '/')"
        failed=$((failed + 1))
    fi
    figures=$(figures "$name" "$folder/said")
    echo "| $name | ${figures:-- | -} | $result | $(($(date +%s) - from)) |" >>"$table"
}

"$bench" outages --rows >"$folder/rows"
while read -r row needs <&3; do
    fault "$row" "$needs" outages --seconds "$seconds" --rate "$rate" "$row"
done 3<"$folder/rows"
fault replicas-killed postgres replicas --seconds "$seconds"
fault roll-out '' roll-out "$step"
fault certificates '' certificate-rotation --seconds "$seconds"
fault authority '' mutual-tls --seconds 1 --rounds 1
fault revocation '' revocation ${quick:+--samples 10}
fault hostile-client '' soak "$minutes"

printf '\n| fault | calls / failed | ms p50 / p99 / longest: during | result | seconds |\n|---|---|---|---|---|\n'
cat "$table"
echo
total=$(wc -l <"$table")
echo "$total measurements in $((($(date +%s) - begun) / 60)) minutes, $failed not as promised, $(grep -c '| SKIPPED' "$table" || true) left out"
[ "$failed" -eq 0 ] && [ "$total" -gt 0 ]
