#!/bin/sh
# Makes what is released: a static executable with its manual pages and completions (tar.gz), a package for Debian and its kin (deb), what the
# executable is made of (CycloneDX), and the SHA-256 sums of these. The same commit makes the same files. Needs cargo, with rustup the target of Rust,
# musl-gcc (Debian: musl-tools), and for the package dpkg-deb.
#
#   deploy/package.sh [--out FOLDER]          into FOLDER, by default target/packages
#       --profile dev                         quickly, for a try
#       --executable FILE                     packs this executable, static or not, and builds none
#       --package-version VERSION             calls the package so, and not by the version of the executable
#       --without-sbom                        leaves out what asks cargo
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
target=x86_64-unknown-linux-musl

say() { printf '%s\n' "package: $*" >&2; }
fail() {
    say "$@"
    exit 1
}

profile=release
executable=
version=
out=
sbom=yes
while [ $# -gt 0 ]; do
    case "$1" in
    --profile | --executable | --package-version | --out)
        [ $# -ge 2 ] || fail "$1 needs a value"
        case "$1" in
        --profile) profile=$2 ;;
        --executable) executable=$(realpath -- "$2") ;;
        --package-version) version=$2 ;;
        --out) out=$2 ;;
        esac
        shift
        ;;
    --without-sbom) sbom=no ;;
    *) fail "$1 is none of: --out, --profile, --executable, --package-version, --without-sbom" ;;
    esac
    shift
done

build() {
    if command -v rustup >/dev/null 2>&1; then
        (cd "$root" && rustup target add "$target") >&2
    fi
    command -v musl-gcc >/dev/null 2>&1 || fail 'musl-gcc is not installed: apt-get install musl-tools'
    (cd "$root" && cargo build --locked --package hallpass-cli --profile "$profile" --target "$target") >&2
    case "$profile" in dev) folder=debug ;; *) folder=$profile ;; esac
    executable=$(realpath -- "$(cd "$root" && realpath -- "${CARGO_TARGET_DIR:-target}")/$target/$folder/hallpass")
}

is_static() { ldd "$1" 2>&1 | grep -q -e 'statically linked' -e 'not a dynamic executable'; }

# When the commit was made, or the archive: files of the package are no younger.
if [ -z "${SOURCE_DATE_EPOCH-}" ]; then
    SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null || date -r "$root/CHANGELOG.md" +%s)
    export SOURCE_DATE_EPOCH
fi
# A try need not be small.
case "$profile" in
dev) compression=gzip level=-1 ;;
*) compression=xz level=-9 ;;
esac
umask 022
if [ -z "$executable" ]; then
    build
    is_static "$executable" || fail "$executable is not static"
fi
out=${out:-$root/target/packages}
mkdir -p "$out"
out=$(realpath -- "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What all forms have in common, by the folders of one that is unpacked below /usr or /usr/local.
common=$work/common
install -D -m 0755 "$executable" "$common/bin/hallpass"
strip "$common/bin/hallpass"
hallpass=$common/bin/hallpass
built=$("$hallpass" -V)
built=${built#hallpass }
version=${version:-$built}
install -d "$common/share/man/man1" "$common/share/doc/hallpass"
"$hallpass" man "$common/share/man/man1"
gzip -9n "$common"/share/man/man1/*.1
for shell in bash zsh fish; do
    case "$shell" in
    bash) file=bash-completion/completions/hallpass ;;
    zsh) file=zsh/vendor-completions/_hallpass ;;
    fish) file=fish/vendor_completions.d/hallpass.fish ;;
    esac
    mkdir -p "$common/share/$(dirname "$file")"
    "$hallpass" completions "$shell" >"$common/share/$file"
done
install -m 0644 "$root/deploy/debian/copyright" "$common/share/doc/hallpass/copyright"
install -d "$common/share/hallpass/prometheus/rules"
install -m 0644 "$root"/deploy/prometheus/rules/*.yaml "$common/share/hallpass/prometheus/rules"
# docs/first-estate.md: files to copy to /etc, and what its two programs serve.
(cd "$root/deploy" && find first-estate -type f -exec install -D -m 0644 {} "$common/share/hallpass/{}" \;)
gzip -9nc "$root/CHANGELOG.md" >"$common/share/doc/hallpass/changelog.gz"
if [ "$sbom" = yes ]; then
    features=$("$hallpass" --version | sed -n 's/^features //p')
    is_static "$hallpass" || target=$(uname -m)-unknown-linux-gnu
    "$root/deploy/sbom.sh" "$target" "$features" >"$common/share/doc/hallpass/sbom.cdx.json"
    install -m 0644 "$common/share/doc/hallpass/sbom.cdx.json" "$out/hallpass-$version.cdx.json"
fi

archive() {
    name=hallpass-$version-$(uname -m)-linux
    tree=$work/archive/$name
    mkdir -p "$work/archive"
    cp -R "$common" "$tree"
    install -m 0644 "$root/LICENSE" "$tree/share/doc/hallpass/LICENSE"
    install -d "$tree/share/doc/hallpass/systemd" "$tree/share/doc/hallpass/etc"
    install -m 0644 "$root"/deploy/systemd/*.service "$tree/share/doc/hallpass/systemd"
    install -m 0644 "$root"/deploy/debian/etc/*.yaml "$tree/share/doc/hallpass/etc"
    tar -C "$work/archive" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
        gzip -n "$level" >"$out/$name.tar.gz"
}

package() {
    architecture=$(dpkg --print-architecture)
    tree=$work/package
    mkdir -p "$tree/DEBIAN" "$tree/usr/lib/systemd/system" "$tree/etc/hallpass"
    cp -R "$common"/. "$tree/usr"
    install -m 0644 "$root"/deploy/systemd/*.service "$tree/usr/lib/systemd/system"
    install -m 0644 "$root"/deploy/debian/etc/*.yaml "$tree/etc/hallpass"
    install -m 0755 "$root/deploy/debian/postinst" "$root/deploy/debian/prerm" "$root/deploy/debian/postrm" "$tree/DEBIAN"
    install -m 0644 "$root/deploy/debian/conffiles" "$tree/DEBIAN"
    (cd "$tree" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2 >DEBIAN/md5sums)
    # passwd: useradd, for the user of the servers. A static executable needs nothing else.
    depends=passwd
    is_static "$hallpass" || depends="passwd, libc6, libgcc-s1"
    size=$(du -sk --apparent-size "$tree" | cut -f 1)
    sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@DEPENDS@/$depends/" -e "s/@SIZE@/$size/" \
        "$root/deploy/debian/control" >"$tree/DEBIAN/control"
    dpkg-deb --root-owner-group "-Z$compression" "-z${level#-}" --build "$tree" "$out/hallpass_${version}_$architecture.deb" >&2
}

archive
if command -v dpkg-deb >/dev/null 2>&1; then
    package
else
    say '!! SKIPPED: dpkg-deb is not installed, there is no package for Debian'
fi
(cd "$out" && find . -maxdepth 1 -type f -name 'hallpass*' -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
say "made in $out:"
cat "$out/SHA256SUMS"
