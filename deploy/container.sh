#!/bin/sh
# Goes through the stages of the Containerfile where no engine runs, and leaves the image as a folder: the instructions are read from the file, and
# one that this script does not know ends it. As root.
#
#   deploy/container.sh FOLDER                       every stage: the first one in a Debian made by mmdebstrap, with the Rust of this machine
#   deploy/container.sh --executable FILE FOLDER     the last stage alone, with FILE in the place of what the first one makes
#   --build-arg NAME=VALUE                           as an engine takes it
#
# A FILE that is not static brings its libraries along, into FOLDER.libraries, and not into the image.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

say() { printf '%s\n' "container: $*" >&2; }
fail() {
    say "$@"
    exit 1
}

executable=
arguments=
while [ $# -gt 1 ]; do
    case "$1" in
    --executable) executable=$(realpath -- "$2") ;;
    --build-arg) arguments="$arguments $2" ;;
    *) fail "$1 is none of: --executable, --build-arg" ;;
    esac
    shift 2
done
[ $# -eq 1 ] || fail 'which folder is the image to be left in?'
image=$1
[ ! -e "$image" ] || fail "$image exists"
[ "$(id -u)" -eq 0 ] || fail 'only root can change what the root folder is'

work=$(mktemp -d "$(dirname -- "$image")/container.XXXXXX")
work=$(realpath -- "$work")
trap 'rm -rf --one-file-system "$work"' EXIT

# What an image of the stage's base would bring. Only that of Rust is known here: a Debian with a compiler of C, and Rust itself is mounted.
base() {
    case "$1" in
    scratch) mkdir "$2" ;;
    rust:*-slim-bookworm)
        mmdebstrap --mode=root --variant=minbase --include=ca-certificates,gcc,libc6-dev bookworm "$2" >&2
        mkdir -p "$2/usr/local/cargo" "$2/usr/local/rustup"
        ;;
    *) fail "nobody here knows what $1 brings" ;;
    esac
}

# Runs a line of a shell in the stage, in a mount namespace of its own: nothing stays mounted.
run_in() {
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount --pid --fork sh -euc '
        mount --bind "$4" "$1/usr/local/cargo"
        mount --bind "$5" "$1/usr/local/rustup"
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        cp /etc/resolv.conf "$1/etc/resolv.conf"
        exec chroot "$1" /usr/bin/env -i HOME=/root PATH=/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup sh -euc "$3
cd \"$2\"
$6"' sh "$stage" "$folder" "$variables" "${CARGO_HOME:-$HOME/.cargo}" "${RUSTUP_HOME:-$HOME/.rustup}" "$1" >&2
}

# A value that the command line gives to an argument wins over its default.
argument() {
    name=${1%%=*}
    value=${1#*=}
    for given in $arguments; do
        [ "${given%%=*}" != "$name" ] || value=${given#*=}
    done
    printf 'export %s="%s"\n' "$name" "$value"
}

stage=
skipping=no
user=
entrypoint=
command=
grep -v -e '^#' -e '^$' "$root/Containerfile" >"$work/instructions"
sed 's#^#./#' "$root/.containerignore" >"$work/ignored"
while read -r instruction rest; do
    case "$instruction" in
    FROM)
        # shellcheck disable=SC2086 # its words
        set -- $rest
        stage=$work/${3:-last}
        folder=/
        variables=
        skipping=no
        if [ "$1" != scratch ] && [ -n "$executable" ]; then
            skipping=yes
            install -D -m 0755 "$executable" "$stage/image/hallpass"
        else
            base "$1" "$stage"
        fi
        ;;
    ARG) variables="$variables$(argument "$rest")
" ;;
    ENV) variables="${variables}export $rest
" ;;
    WORKDIR)
        folder=$rest
        mkdir -p "$stage$folder"
        ;;
    COPY)
        [ "$skipping" = no ] || continue
        # shellcheck disable=SC2086 # its words
        set -- $rest
        case "$1" in
        --from=*) cp -R "$work/${1#--from=}$2." "$stage$3" ;;
        .) tar -C "$root" --anchored --exclude-from="$work/ignored" -c . | tar -C "$stage$folder" -x ;;
        *) fail "COPY $rest" ;;
        esac
        ;;
    RUN)
        [ "$skipping" = no ] || continue
        say "$rest"
        run_in "$rest"
        ;;
    USER) user=$rest ;;
    ENTRYPOINT) entrypoint=$(printf %s "$rest" | tr -d '[]", ') ;;
    CMD) command=$(printf %s "$rest" | tr -d '[]", ') ;;
    *) fail "$instruction: not known here" ;;
    esac
done <"$work/instructions"

# What an image promises: one file, whose user is nobody.
[ "$(cd "$stage" && find . -type f)" = "./${entrypoint#/}" ] || fail 'there is more in the image than the executable'
case "$user" in
'' | 0* | root*) fail "USER $user" ;;
esac
mv "$stage" "$image"
mkdir "$work/tried"
if ! ldd "$image$entrypoint" 2>&1 | grep -q -e 'statically linked' -e 'not a dynamic executable'; then
    [ -n "$executable" ] || fail 'the executable is not static'
    ldd "$image$entrypoint" | grep -o '/[^ ]*' | while read -r library; do
        install -D -m 0755 "$library" "$image.libraries$library"
    done
    cp -R "$image.libraries"/. "$work/tried"
fi
cp -R "$image"/. "$work/tried"
chroot --userspec="$user" "$work/tried" "$entrypoint" "$command" >/dev/null
chroot --userspec="$user" "$work/tried" "$entrypoint" --version
printf 'user       %s\nentrypoint %s\n' "$user" "$entrypoint"
