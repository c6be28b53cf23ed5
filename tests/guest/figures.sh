#!/bin/sh
# Measures the recorder inside the guest that scripts/guest boots, beside `cat trace_pipe_raw` for the same workload and
# DAMON settings. Emulation stretches time, so only ratios mean something; they are what docs/benchmarks.md quotes.
# Usage: figures.sh [SECONDS]
here=$(dirname "$(realpath "$0")")
CONFIGS=$here/configs
. "$here/lib.sh"
. "$here/prepare.sh"
seconds=${1:-20}
out=/share/out
cd /tmp || exit 1

# CPU seconds that a process used so far.
cpu_of() { awk '{sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / 100}' "/proc/$1/stat"; }

# DAMON on $pid through the guest's sysfs by hand: minimum regions, sampling and aggregation in microseconds.
damon_by_hand() {
    stage_by_hand intervals/sample_us "$2" intervals/aggr_us "$3" intervals/update_us 1000000 \
        nr_regions/min "$1" nr_regions/max 3000
}

# What it costs to just copy the events, already binary, out of the trace buffer, with the program $cat.
copy_events() {
    damon_by_hand "$@"
    echo 8192 >$TRACING/buffer_size_kb # of the guest
    echo 1 >$TRACING/events/damon/damon_aggregated/enable
    rm -f stop
    for cpu in $TRACING/per_cpu/cpu*; do
        # Now and then a reader is told that this was all, while there is more to come: it begins anew.
        (
            while [ ! -e stop ]; do $cat "$cpu/trace_pipe_raw"; done >"raw.$(basename "$cpu")"
            times >"times.$(basename "$cpu")"
        ) &
    done
    echo on >$DAMON/0/state
    kdamond=$(cat $DAMON/0/pid)
    sleep "$seconds"
    kdamond_cpu=$(cpu_of "$kdamond")
    echo off >$DAMON/0/state
    sleep 1
    touch stop
    for reader in $(ps -o pid,args | awk '/trace_pipe_raw/ && !/awk/ {print $1}'); do kill "$reader" 2>/dev/null; done
    while [ "$(cat times.* 2>/dev/null | wc -l)" -lt $((2 * $(nproc))) ]; do usleep 50000; done
    # Of each shell the second line is what its readers took in user mode and in the kernel: 0m0.10s 0m0.20s.
    copy_cpu=$(awk 'FNR == 2 { gsub(/[ms]/, " "); sum += $1 * 60 + $2 + $3 * 60 + $4 } END { printf "%.2f", sum }' times.*)
    copy_events=$(cat $TRACING/per_cpu/cpu*/stats | awk '/^read events|^now ts/ {} /^entries|^read events/ {n += $NF} END {print n}')
    echo 0 >$TRACING/events/damon/damon_aggregated/enable
    echo >$TRACING/trace
    copy_bytes=$(cat raw.* | wc -c)
    rm -f raw.* times.*
    echo 0 >$DAMON/nr_kdamonds
}

# The same with damo-record.
record_events() {
    damo-record "$pid" -n "$1" -m 3000 -s "$2" -a "$3" -u 1000000 --timeout "$seconds" -q -o figure.damo &
    recorder=$!
    watch_recorder
    score figure.damo >/dev/null
}

# Waits for $recorder to end; leaves what it and its kdamond took in $ours_cpu, $begin_cpu, $ours_peak, $kdamond_cpu.
watch_recorder() {
    wait_for 60 damon_is_on
    kdamond=$(cat $DAMON/*/pid | grep -v '^-1$')
    ours_cpu=0 ours_peak=0
    # What it takes to begin, however long the recording: loading, looking at the machine, setting DAMON up.
    begin_cpu=$(cpu_of $recorder)
    while kill -0 $recorder 2>/dev/null; do
        ours_cpu=$(cpu_of $recorder 2>/dev/null || echo "$ours_cpu")
        # Of one that has just ended there is a state, but no memory any more.
        peak=$(awk '/VmHWM/ {print $2}' /proc/$recorder/status 2>/dev/null)
        ours_peak=${peak:-$ours_peak}
        [ -e "/proc/$kdamond/stat" ] && kdamond_cpu=$(cpu_of "$kdamond")
        usleep 200000
    done
    wait $recorder
}

compare() {
    name=$1
    shift
    echo "## $name"
    record_events "$@"
    echo "recording: $s_regions regions in $s_snapshots snapshots (at most $s_max_regions), $s_lost lost, $ours_cpu s CPU, kdamond $kdamond_cpu s CPU"
    echo "peak resident: $ours_peak KiB; $s_bytes_per_region bytes per region in the file"
    for cat in /usr/bin/cat "busybox cat"; do
        copy_events "$@"
        echo "copying by $cat: $copy_events events, $copy_cpu s CPU, $copy_bytes bytes; kdamond $kdamond_cpu s CPU"
        awk "BEGIN { printf \"CPU per event, recording over copying: %.2f\n\", ($ours_cpu / $s_regions) / ($copy_cpu / $copy_events) }"
        awk "BEGIN { printf \"the same without beginning (%.2f s): %.2f\n\", $begin_cpu, (($ours_cpu - $begin_cpu) / $s_regions) / ($copy_cpu / $copy_events) }"
    done
}

# When the first snapshot comes, beside what the kernel's own trace buffer says: see first_snapshot.
show_first_snapshot() {
    trace_events first
    damo-record "$pid" -n "$1" -m 3000 -s "$2" -a "$3" -u 1000000 --timeout 5 -q -o first.damo &
    recorder=$!
    note_birth
    wait $recorder
    score first.damo >/dev/null
    first_snapshot
    end_trace
    awk "BEGIN {
        printf \"first snapshot: the kernel reports it %.3f s after its thread was made, the record has it at %.3f s\\n\", $reported - $born, $s_first_end_ns / 1e9 - $born
        printf \"aggregation: told %.3f s, takes %.3f s; the first snapshot after %.2f of these\\n\", $3 / 1e6, $aggregation, $first_after
    }"
}

start_workload large
compare "1000 regions, 5 ms / 100 ms, $seconds s" 1000 5000 100000
show_first_snapshot 1000 5000 100000
compare "1000 regions, 5 ms / 10 ms, $seconds s" 1000 5000 10000
show_first_snapshot 1000 5000 10000
show_first_snapshot 10 5000 100000
kill -9 "$pid"

# The staircase of the talk: ten areas, 65 s.
start_workload talk
damo-record "$pid" -q -o stairs.damo &
recorder=$!
# When a process ended, whoever waits for it.
when_ended() {
    while grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null; do usleep 10000; done
    uptime_now
}
(when_ended "$pid" && when_ended $recorder) >times &
watcher=$!
watch_recorder
wait $watcher
score stairs.damo talk.truth >/dev/null
echo "## staircase"
echo "$s_regions regions in $s_snapshots snapshots, $s_bytes_per_region bytes per region, precision $s_precision, recall $s_recall"
echo "recording: $ours_cpu s CPU (beginning $begin_cpu s), $ours_peak KiB; kdamond $kdamond_cpu s CPU"
awk "{ last = now; now = \$1 } END { printf \"target's exit to complete file: %.2f s\n\", now - last }" times
cp ./*.damo $out
