#!/usr/bin/env bash
# Makes the tables and pictures of docs/evaluation.md, and the pictures of docs/schemes.md. The numbers are reckoned anew and
# come out the same on every machine: simulated memory, virtual time.
#   scripts/evaluate.sh [--check]      with --check nothing is changed: exit code 1 if a table would be
# Measured on a machine, and so only printed (up to half an hour, in the guest an hour and more):
#   scripts/evaluate.sh --here         rows of the last two tables: recording by referenced pages on this machine, without root
#   scripts/evaluate.sh --guest        the same beside DAMON, in the guest of scripts/guest, whose clock counts instructions, so that
#                                      the figures do not depend on the load of the machine
set -euo pipefail
cd "$(dirname "$0")/.."
page=docs/evaluation.md
check=${1:-}
if [ "$check" = --here ] || [ "$check" = --guest ]; then
    programs=$(scripts/guest build damo-cli damo-testbed)
    cargo build --quiet -p damo-kernel --example referenced_cost
    cost=$(realpath "${CARGO_TARGET_DIR:-target}/debug/examples/referenced_cost")
    if [ "$check" = --here ]; then
        PATH=$programs:$PATH sh tests/guest/sources.sh 100 400 1000 4096
        exec "$cost" 100 400 1000 4096
    fi
    exec scripts/guest run --icount --time 1200 --bin "$programs/damo-record" --bin "$programs/damo-workload" \
        --bin "$programs/damo-score" --bin "$cost" --file tests/guest \
        -- sh -c '. /share/in/guest/prepare.sh; PER_MIB=10 sh /share/in/guest/sources.sh --damon 100 400 1000; referenced_cost 100 400 1000'
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cargo build --quiet -p damo-report --example evaluate
cargo run --quiet -p damo-report --example evaluate -- "$work"

# Each table stands between a line <!-- NAME --> and the next empty line.
awk -v work="$work" '
    /^<!-- [a-z]+ -->$/ {
        print
        file = work "/" $2 ".md"
        while ((getline line <file) > 0) print line
        close(file)
        inside = 1
        next
    }
    /^$/ { inside = 0 }
    !inside
' $page >"$work/page"
if [ "$check" = --check ]; then
    diff -u $page "$work/page"
    exit
fi
cat "$work/page" >$page
cargo build --quiet -p damo
damo=$(realpath "${CARGO_TARGET_DIR:-target}/debug/damo")
candidates='[{"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "2 s"}}},
    {"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "10 s"}}},
    {"action": "pageout", "access_pattern": {"nr_accesses": {"max": 0}, "age": {"min": "2 s"}},
     "quotas": {"sz_bytes": "4 MiB", "reset_interval_ms": "1 s"}}]'
(
    cd "$work"
    "$damo" record --quiet --simulate stairs -o stairs.damo
    "$damo" schemes --what-if stairs.damo --schemes "$candidates" --plot what-if.png --size 1000x600
    "$damo" schemes suggest stairs.damo --goal "refault < 50%" --plot trade-offs.png --size 1000x480
)
mv "$work"/*.png docs/images/
