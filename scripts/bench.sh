#!/usr/bin/env bash
# Measures what docs/benchmarks.md states: size, speed and memory on the reference records A and H. Prints a table.
#
#   scripts/bench.sh [DIR]     keeps the records in DIR (default: a new temporary directory)
#
# A: ten minutes of 5 ms/100 ms monitoring of 12 GiB in three areas with a moving hot window, 10..1000 regions (6,000
#    snapshots, about 340 k regions).
# H: one hour at about 1,000 regions, ten snapshots a second (about 36 million regions).
# Wall time is the best of five runs: the machine may be noisy. Memory is the largest resident size of any run.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=${1:-$(mktemp -d)}
mkdir -p "$dir"
cargo build --release --quiet --workspace --examples
cargo build --release --quiet -p damo
bin=${CARGO_TARGET_DIR:-target}/release
damo=$bin/damo

row() { printf '| %-58s | %10s | %10s | %s |\n' "$@"; }
# measured NAME COMMAND...: one row with wall time and memory
measured() {
    local name=$1
    shift
    read -r wall cpu mib code < <(scripts/measure.py -- "$@")
    [ "$code" = 0 ] || { echo "bench: $name exited with $code" >&2; exit 1; }
    row "$name" "$wall s" "$mib MiB" "cpu $cpu s"
}

echo "$(nproc) cores, $(uname -m), $(date -u +%F)"
row what wall memory note
row --- --- --- ---
simulate() { # NAME WORKLOAD OPTIONS...
    local name=$1 config=$2
    shift 2
    [ -e "$dir/$name.damo" ] && return
    read -r wall cpu mib code < <(scripts/measure.py -n 1 -- "$damo" record --quiet --simulate "$config" -o "$dir/$name.damo" "$@")
    [ "$code" = 0 ] || { echo "bench: simulating $name exited with $code" >&2; exit 1; }
    row "simulate and write $name" "$wall s" "$mib MiB" "cpu $cpu s"
}
simulate A bench-a
simulate H bench-h

for name in A H; do
    "$damo" info --format json "$dir/$name.damo" >"$dir/$name.json"
    python3 - "$dir/$name.json" "$name" <<'PY'
import json, sys
info = json.load(open(sys.argv[1]))
print(f"| size of {sys.argv[2]}: {info['snapshots']} snapshots, {info['regions']} regions, {info['file_bytes']} bytes | "
      f"{info['file_bytes'] / info['regions']:.3f} B/region | | framing and index counted |")
PY
done

measured "damo --help" "$damo" --help
for name in A H; do
    record=$dir/$name.damo
    [ $name = A ] && measured "$name: report raw" "$damo" report raw -i "$record"
    measured "$name: report wss" "$damo" report wss -i "$record"
    measured "$name: report footprints" "$damo" report footprints -i "$record"
    measured "$name: report nr_regions" "$damo" report nr_regions -i "$record"
    measured "$name: report record_info" "$damo" report record_info -i "$record"
    measured "$name: report heats (terminal)" "$damo" report heats -i "$record"
    measured "$name: report heats --heatmap PNG" "$damo" report heats -i "$record" --heatmap "$dir/$name.png"
    measured "$name: report heats --heatmap SVG" "$damo" report heats -i "$record" --heatmap "$dir/$name.svg"
done
measured "H: heats of one minute (--time_range 30m 31m)" "$damo" report heats -i "$dir/H.damo" --time_range 30m 31m
measured "H: wss of one minute" "$damo" report wss -i "$dir/H.damo" --snapshot_time 30m 31m

for name in A H; do
    "$bin/examples/bench_frame" "$dir/$name.damo" | sed "s/^/$name: /"
done
"$bin/examples/bench_format" bench-a
