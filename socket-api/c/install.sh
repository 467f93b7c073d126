#!/bin/sh
# Installs libumptcp for C programs: the shared library with its SONAME, the static library, the header and
# the file for pkg-config.
set -eu

usage() {
    cat <<'TEXT'
usage: install.sh [--prefix DIR] [--libdir DIR] [--destdir DIR] [--from DIR] [--debug]

  --prefix DIR   where the files belong (/usr/local)
  --libdir DIR   where libraries belong, below the prefix (lib)
  --destdir DIR  put before all of it, for packages
  --from DIR     take libraries that were built already from there
  --debug        build without optimization
TEXT
}

prefix=/usr/local
libdir=lib
destdir=
from=
profile=release
while [ $# -gt 0 ]; do
    case $1 in
        --prefix) prefix=${2:?} && shift 2 ;;
        --libdir) libdir=${2:?} && shift 2 ;;
        --destdir) destdir=${2:?} && shift 2 ;;
        --from) from=${2:?} && shift 2 ;;
        --debug) profile=dev && shift ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
    esac
done

here=$(cd "$(dirname "$0")" && pwd)
# The SONAME has the major version, which is 0 until something that was promised changes.
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$here/../../Cargo.toml")
major=${version%%.*}

if [ -z "$from" ]; then
    target=${CARGO_TARGET_DIR:-$here/../../target}
    (cd "$here" && cargo build --package umptcp-capi --profile "$profile" --target-dir "$target")
    from=$target/release
    [ "$profile" = release ] || from=$target/debug
fi

lib=$destdir$prefix/$libdir
install -d "$lib/pkgconfig" "$destdir$prefix/include"
install -m 755 "$from/libumptcp.so" "$lib/libumptcp.so.$version"
ln -sf "libumptcp.so.$version" "$lib/libumptcp.so.$major"
ln -sf "libumptcp.so.$major" "$lib/libumptcp.so"
install -m 644 "$from/libumptcp.a" "$lib/libumptcp.a"
install -m 644 "$here/include/umptcp.h" "$destdir$prefix/include/umptcp.h"
sed -e "s|@prefix@|$prefix|" -e "s|@libdir@|$libdir|" -e "s|@version@|$version|" \
    "$here/umptcp.pc.in" > "$lib/pkgconfig/umptcp.pc"
chmod 644 "$lib/pkgconfig/umptcp.pc"
