#!/usr/bin/env bash
# Makes the pictures of docs/gallery.md and README.md, by the commands that stand there.
#   scripts/gallery.sh [DAMO]      with this program (default: cargo builds one)
set -euo pipefail
cd "$(dirname "$0")/.."
damo=${1:-}
if [ -z "$damo" ]; then
    cargo build --release --quiet -p damo
    damo=${CARGO_TARGET_DIR:-target}/release/damo
fi
damo=$(realpath "$damo")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$PWD/docs/images
mkdir -p "$out"
cp testdata/real/stairs/* "$work/"
cp testdata/real/schemes/trace.txt "$work/schemes.txt"
cp testdata/masim/pair-server.cfg testdata/masim/server-grown.cfg "$work/"
cd "$work"
# The lines of the document's sh blocks, in order; pictures land here.
sed -n '/^```sh$/,/^```$/p' "$OLDPWD/docs/gallery.md" | grep '^damo ' | while read -r line; do
    echo "$line"
    eval "\"$damo\" ${line#damo }" >/dev/null
done
mv ./*.png "$out/"
if command -v chromium >/dev/null; then
    chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
        --user-data-dir="$work/profile" --window-size=1400,1500 --virtual-time-budget=8000 \
        --screenshot="$out/html.png" "file://$work/stairs.html#a=12000000000&b=42000000000" >/dev/null 2>&1
fi
