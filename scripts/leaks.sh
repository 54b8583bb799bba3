#!/bin/sh
# Looks for the secrets and tokens that tests have used (FOLDER/secrets, one a line) in what programs have said meanwhile (FOLDER/outputs). Says nothing and
# succeeds when there is none; else says file, line and what was found, and fails.
set -eu
folder=$1
patterns=$folder/patterns
find "$folder/secrets" -type f -exec cat {} + | sort -u >"$patterns"
# Without a pattern nothing was registered: none of the tests that do so has run.
[ -s "$patterns" ] || exit 0
status=0
found=$(LC_ALL=C grep -rnFo -f "$patterns" "$folder/outputs") || status=$?
case $status in
    0) printf '%s\n' 'a secret or a token that a test has used stands in what a program has said:' "$found" >&2 ;;
    1) exit 0 ;;
    *) printf '%s\n' "what programs have said could not be searched: $folder/outputs" >&2 ;;
esac
exit 1
