#!/bin/sh
# Makes the site of the documentation of docs/SUMMARY.md, below the build's folder, with mdBook; CONTRIBUTING.md says how that is installed.
#
# Pages stay where they are, and link to files of the tree beside docs/. So pages and those files are put together in the shape of the
# tree first, each link leads to what it leads to there.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
to=${1:-${CARGO_TARGET_DIR:-$root/target}/tmp/book}
if ! command -v mdbook >/dev/null 2>&1; then
    echo 'book: mdbook is not installed, see CONTRIBUTING.md' >&2
    exit 69
fi
rm -rf "$to"
mkdir -p "$to/src"
to=$(CDPATH='' cd -- "$to" && pwd)
cd "$root"
cp -R docs "$to/src/docs"
rm "$to/src/docs/SUMMARY.md"
# Pages stand in docs/ there too, those of the summary that are beside it not.
sed -e 's|](\([^)]*\))|](docs/\1)|' -e 's|](docs/\.\./|](|' docs/SUMMARY.md >"$to/src/SUMMARY.md"
pages=$(sed -n 's|.*](\([^)]*\.md\)).*|\1|p' "$to/src/SUMMARY.md")
for page in $pages; do
    mkdir -p "$to/src/$(dirname "$page")"
    cp "$page" "$to/src/$page"
done
# What pages link to and is no page of the book goes along as it is. In a folder a list of what it holds stands in for it.
for page in $pages; do
    sed -n 's|](\([^)#]*\)[)#]|\n](\1)\n|gp' "$page" | sed -n 's|^](\([^)]*\))$|\1|p' | while read -r link; do
        case $link in *://* | mailto:* | '') continue ;; esac
        path=$(realpath -m --relative-to=. "$(dirname "$page")/$link")
        if [ -d "$path" ]; then
            mkdir -p "$to/src/$path"
            cp -R "$path/." "$to/src/$path"
            find "$to/src/$path" -type d | while read -r folder; do
                [ -e "$folder/index.html" ] && continue
                names=$(cd "$folder" && find . -type f | sort)
                {
                    echo '<!doctype html><meta charset="utf-8"><ul>'
                    printf '%s\n' "$names" | sed -e 's|^\./||' -e 's|.*|<li><a href="&">&</a></li>|'
                    echo '</ul>'
                } >"$folder/index.html"
            done
        elif [ ! -e "$to/src/$path" ]; then
            mkdir -p "$to/src/$(dirname "$path")"
            cp "$path" "$to/src/$path"
        fi
    done
done
MDBOOK_BOOK__SRC=$to/src MDBOOK_BUILD__BUILD_DIR=$to/site mdbook build "$root"
printf '%s\n' "$to/site/index.html"
