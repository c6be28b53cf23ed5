#!/usr/bin/env bash
# Runs the same reports through the Python damo from PyPI (as a black box, offline commands only) and through ours, on the
# same records. Prints for each the ratio of time and memory, and the number of lines that differ. What may differ is
# checked by scripts/compare_python.py.
#
#   scripts/compare-python.sh [RECORD...]        default: the records in testdata/real
#
# DAMON is hidden from the Python tool (it probes DAMON by writing to sysfs even for reports): it runs in a mount
# namespace of its own with an empty directory over DAMON's, so this needs root. PYTHON_DAMO_VERSION chooses the version.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo "compare-python: must be root, to hide DAMON from the Python tool" >&2; exit 2; }
venv=${PYTHON_DAMO_VENV:-$HOME/.cache/python-damo}
[ -x "$venv/bin/damo" ] || { python3 -m venv "$venv" && "$venv/bin/pip" -q install "damo==${PYTHON_DAMO_VERSION:-3.4.3}"; } >&2
command -v file >/dev/null || { apt-get update -qq; apt-get install -y -qq file less >/dev/null; } >&2
cargo build --release --quiet -p damo
ours=${CARGO_TARGET_DIR:-target}/release/damo

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The host's DAMON directory is covered by an empty read-only one before the Python tool starts.
damon=sys/kernel/mm/damon
python_damo() {
    unshare -m --propagation private bash -c '
        if [ -d "/$1" ]; then mount -t tmpfs -o ro none "/$1"; [ ! -e "/$1/admin" ] || exit 9; fi
        shift; exec "$@"' _ "$damon" "$venv/bin/damo" "$@"
}

# timed NAME COMMAND...: output in $work/NAME, "seconds cpu MiB code" in $work/NAME.cost
timed() {
    local name=$1
    shift
    scripts/measure.py -n 1 -o "$work/$name" -- "$@" >"$work/$name.cost"
}
export -f python_damo
export venv damon

records=("$@")
[ ${#records[@]} -gt 0 ] || records=(testdata/real/stairs/damon.data)
differences=0
printf '%-28s %-34s %9s %9s %8s %8s  %s\n' record report "theirs s" "ours s" "faster" "memory" output
for record in "${records[@]}"; do
    while IFS='|' read -r theirs mine; do
        record_for=$record
        case "$theirs" in *footprints*) record_for=$record.mem_footprint; [ -e "$record_for" ] || continue ;; esac
        # shellcheck disable=SC2086  # the words of a command
        timed theirs bash -c 'python_damo "$@"' _ report $theirs -i "$record_for"
        # shellcheck disable=SC2086
        timed ours "$ours" report $mine -i "$record_for"
        read -r t_s _ t_mib t_code <"$work/theirs.cost"
        read -r o_s _ o_mib o_code <"$work/ours.cost"
        # The Python tool's output through a pager may lack the last newline.
        if [ "$t_code" -ne 0 ]; then
            verdict="theirs failed: $(tail -n 1 "$work/theirs.err" | cut -c1-60)"
        elif [ "$o_code" -ne 0 ]; then
            verdict="OURS FAILED: $(tail -n 1 "$work/ours.err" | cut -c1-60)"
            differences=$((differences + 1))
        elif diff <(sed '$a\' "$work/theirs") <(sed '$a\' "$work/ours") >"$work/diff"; then
            verdict=same
        else
            verdict="differs in $(grep -c '^[<>]' "$work/diff") lines: $(grep -m1 '^[<>]' "$work/diff" | cut -c1-50)"
            differences=$((differences + 1))
        fi
        python3 -c "
import sys
t, o, tk, ok = map(float, sys.argv[3:7])
print(f'{sys.argv[1][-28:]:28} {sys.argv[2]:34} {t:9.2f} {o:9.3f} {t/max(o,1e-3):7.0f}x {tk/max(ok,1):7.1f}x  {sys.argv[7]}')" \
            "$record" "$theirs" "$t_s" "$o_s" "$t_mib" "$o_mib" "$verdict"
    done <<'REPORTS'
access --raw_form|raw
wss|wss
wss --raw_number --range 0 101 5|wss --raw_number --range 0 101 5
wss --sortby time|wss --sortby time
wss --all_wss --raw_number|wss --all_wss --raw_number
nr_regions|nr_regions
record_info|record_info
record_info --raw_numbers|record_info --raw_numbers
heatmap --guide|heats --guide
heatmap --output raw --resol 40 80|heats --output raw --resol 40 80
footprints|footprints
footprints rss --raw_number|footprints rss --raw_number
REPORTS
done
echo "differences: $differences (each is explained in docs/differences.md)"
