#!/bin/sh
# Says again, at the end of a long run, which tests failed and what they said: from the runner's own words in FILE. At most 60 lines a test, of
# 400 characters; the runner's last lines come last, as they do where nothing failed.
set -eu
awk '
    /^failures:$/ { within = 1 }
    /^---- .* stdout ----$/ { lines = 0 }
    /^test result: FAILED/ { if (within) print; within = 0 }
    within {
        if (++lines <= 60) print substr($0, 1, 400)
        else if (lines == 61) print "(more of it stands above)"
    }
    # The names come under a second heading, and are never too many.
    /^failures:$/ { lines = 0 }
    /^error: [0-9]+ targets? failed:/ { last = 1 }
    last { end = end $0 "\n" }
    /^error: could not compile|^error: test failed/ { print }
    END { printf "%s", end }
' "$1"
