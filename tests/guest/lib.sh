# What the checks in the guest have in common. Nothing here runs on the host: the DAMON below is the guest's.
DAMON=/sys/kernel/mm/damon/admin/kdamonds # of the guest
TRACING=/sys/kernel/tracing               # of the guest

# Ends the check as failed, with the reason.
fail() {
    echo "failed: $*"
    exit 1
}

# expect WHAT CONDITION…: fails with WHAT unless the condition, a command line for `test`, holds.
expect() {
    what=$1
    shift
    test "$@" || fail "$what (not true: $*)"
}

# at_least WHAT VALUE LIMIT, at_most WHAT VALUE LIMIT: for decimal fractions too.
at_least() { awk "BEGIN { exit !($2 >= $3) }" || fail "$1 is $2, should be at least $3"; }
at_most() { awk "BEGIN { exit !($2 <= $3) }" || fail "$1 is $2, should be at most $3"; }

# Shown behind the check's line when it passes.
note() { echo "note: $*"; }

# The end of a check that got this far.
finish() { exit 0; }

uptime_now() { cut -d' ' -f1 /proc/uptime; }

# wait_for SECONDS COMMAND…: until the command succeeds; fails after the time.
wait_for() {
    tries=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "waited in vain for: $*"
        usleep 50000
    done
}

# start_workload CONFIG [OPTION…]: starts it in the background, leaves its process id in $pid and its log in NAME.truth.
# Few accesses per batch and a short rest leave the CPUs to the others; all areas are still visited many times a second.
# WORKLOAD=./NAME before it: under the name of this link to the program; TRUTH=FILE: with this log.
start_workload() {
    config=$1
    shift
    truth=${TRUTH:-$config.truth}
    rm -f "$truth"
    "${WORKLOAD:-damo-workload}" --quiet --nr_accesses_per_region 2442 --rest 200 --truth "$truth" "$@" "$CONFIGS/$config.cfg" &
    pid=$!
    wait_for 10 grep -q begin "$truth"
}

# find_area NAME: where an area of the workload lies, as its log says: $area_start and $area_size, in bytes.
find_area() {
    set -- "$1" $(sed -n "/\"$1\"/ s/.*\"start\": *\([0-9]*\).*\"end\": *\([0-9]*\).*/\1 \2/p" "$truth" | head -1)
    [ $# = 3 ] || fail "the log of the workload names no area $1"
    area_start=$2 area_size=$(($3 - $2))
}

# share_on_node NODE START SIZE: how many of the pages in mappings of $pid that begin there are on the node, as a share of the
# size. Areas of the workload that are neighbours are one mapping, which begins with the lowest.
share_on_node() {
    awk -v node="N$1=" -v start="$2" -v size="$3" 'function hex(s,  i, n) {
            for (i = 1; i <= length(s); i++) n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1; return n }
        { at = hex($1); if (at > start + size || at + 65536 < start) next
          for (i = 2; i <= NF; i++) if (index($i, node) == 1) pages += substr($i, length(node) + 1) }
        END { printf "%.3f", pages * 4096 / size }' "/proc/$pid/numa_maps"
}

# await_share_on_node NODE START SIZE SHARE: waits until at least this share is there, at most 40 s; $share is what is then.
await_share_on_node() {
    for _ in $(seq 80); do
        share=$(share_on_node "$1" "$2" "$3")
        awk "BEGIN { exit !($share >= $4) }" && break
        usleep 500000
    done
}

# start_record OPTION…: damo-record in the background; $recorder is its process id, its words go to record.log.
start_record() {
    damo-record "$@" >record.out 2>record.log &
    recorder=$!
}

# Waits for the recorder (at most SECONDS); leaves its exit code in $code.
end_record() {
    wait_for "$1" sh -c "! kill -0 $recorder"
    wait "$recorder"
    code=$?
    cat record.log
}

# Whether some kdamond runs, whoever started it.
damon_is_on() { grep -qx on $DAMON/*/state 2>/dev/null; }

# score FILE [TRUTH [OPTION…]]: what is in the record, as variables with the prefix s_.
score() {
    file=$1
    shift
    if [ $# != 0 ]; then
        truth=$1
        shift
        set -- --truth "$truth" "$@"
    fi
    damo-score "$file" "$@" >score.txt || fail "damo-score cannot read $file"
    cat score.txt
    eval "$(sed -n 's/^\([a-z_0-9]*=[-0-9.]*\)$/s_\1/p' score.txt)"
}

# score_profile FILE LOG: how the CPU samples in the record fit to what a workload wrote about its phases.
score_profile() {
    damo-score "$1" --phases "$2" >profile.txt || fail "damo-score cannot judge the profile"
    cat profile.txt
    profile_samples=$(sed -n 's/^profile_samples=//p' profile.txt)
    profile_expected=$(sed -n 's/^profile_expected=//p' profile.txt)
    profile_lost=$(sed -n 's/^profile_lost=//p' profile.txt)
    least_share=$(sed -n 's/^profile_least_share=//p' profile.txt)
}

# The record has an end and nothing in it is damaged.
is_complete() {
    score "$@"
    expect "the record is complete" "$s_finished" = 1
    expect "nothing in the record is damaged" "$s_damage" = 0
}

# follow_recorder: in the background, the most memory that $recorder ever had resident (KiB) goes to the file peak. What it
# has after the last look is not seen; the kernel keeps the highest value, so that only a peak in the last tenth of a
# second could hide.
follow_recorder() {
    while awk '/^VmHWM/ {print $2}' "/proc/$recorder/status" >peak.now 2>/dev/null && [ -s peak.now ]; do
        mv peak.now peak
        usleep 100000
    done &
}

# trace_events NAME [KIB]: the kernel's own trace buffer takes the same events, on the clock of the records: an instance of
# this name, of KIB on each CPU, that keeps the oldest. It must be set up before DAMON starts.
trace_events() {
    traced=$TRACING/instances/$1 # of the guest
    mkdir "$traced" || fail "cannot make a trace instance"
    echo mono >"$traced/trace_clock"
    echo 0 >"$traced/options/overwrite"
    echo "${2:-1408}" >"$traced/buffer_size_kb"
    echo 1 >"$traced/events/damon/damon_aggregated/enable"
}

# Ends what trace_events began.
end_trace() {
    echo 0 >"$traced/events/damon/damon_aggregated/enable"
    rmdir "$traced"
}

# In $born when the kdamond's thread was made, in seconds, to 10 ms; DAMON must be on. Its id stays in $kdamond.
note_birth() {
    wait_for 45 damon_is_on
    kdamond=$(cat $DAMON/*/pid | grep -v '^-1$')
    born=$(awk '{sub(/.*\) /, ""); print $20 / 100}' "/proc/$kdamond/stat")
    [ -n "$born" ] || fail "the kdamond is gone"
}

# first_snapshot: after score, trace_events and note_birth. The recorder can have no earlier snapshot than the kernel
# reports first, and must have that one: $first_off is how far the two times are apart, $first_after how long it took since
# the thread was made. An emulated aggregation takes longer than it was told to, so that both are counted in aggregations as
# they are: the mean time between two snapshots of the same record, in seconds $aggregation.
first_snapshot() {
    reported=$(awk -v kdamond="-$kdamond " 'index($0, kdamond) && /damon_aggregated/ {
        for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]+\.[0-9]+:$/) { print $i + 0; exit } }' "$traced/trace")
    [ -n "$reported" ] || fail "the kernel traced no event"
    set -- $(awk "BEGIN {
        usual = ($s_last_ns - $s_first_end_ns) / ($s_snapshots - 1)
        off = $s_first_end_ns - $reported * 1e9
        printf \"%.3f %.2f %.4f\", (off < 0 ? -off : off) / usual, ($s_first_end_ns - $born * 1e9) / usual, usual / 1e9
    }")
    first_off=$1 first_after=$2 aggregation=$3
}

# The state of DAMON and all of its settings, a line each. Statistics and thread ids come and go.
settings() { grep -r . $DAMON 2>/dev/null | grep -v '/stats/\|/tried_regions/\|/effective_bytes:\|/pid:' | sort; }

# Settings of somebody's, staged but off, which whatever a check does must leave as they are; same WHAT fails with WHAT if
# they, or whatever was last put into the file `found`, are not. A check ends with unstage.
somebody_stages() {
    echo 2 >$DAMON/nr_kdamonds # of the guest
    echo 1 >$DAMON/1/contexts/nr_contexts
    echo paddr >$DAMON/1/contexts/0/operations
    echo 123000 >$DAMON/1/contexts/0/monitoring_attrs/intervals/aggr_us
    settings >found
}
same() {
    settings >now
    cmp found now || {
        diff found now
        fail "$1"
    }
}
unstage() { echo 0 >$DAMON/nr_kdamonds; } # of the guest

# kernel_has FILE: whether a context of this kernel has the file, given below the context. DAMON must be off; what was staged
# is gone then unless it is as somebody_stages leaves it.
kernel_has() {
    staged=$(cat $DAMON/nr_kdamonds)
    echo 1 >$DAMON/nr_kdamonds # of the guest
    echo 1 >$DAMON/0/contexts/nr_contexts
    echo 1 >$DAMON/0/contexts/0/schemes/nr_schemes
    has=1
    [ ! -e "$DAMON/0/contexts/0/$1" ] || has=0
    if [ "$staged" = 0 ]; then unstage; else somebody_stages; fi
    return $has
}

# stage_by_hand FILE VALUE…: a kdamond on $pid, set up through sysfs as someone else would, with these values in the files of
# its monitoring_attrs. It is off still.
stage_by_hand() {
    echo 1 >$DAMON/nr_kdamonds # of the guest
    echo 1 >$DAMON/0/contexts/nr_contexts
    context=$DAMON/0/contexts/0
    echo vaddr >$context/operations
    echo 1 >$context/targets/nr_targets
    echo "$pid" >$context/targets/0/pid_target
    while [ $# != 0 ]; do
        echo "$2" >"$context/monitoring_attrs/$1"
        shift 2
    done
}

# A kdamond of someone else's, switched on by hand: on $pid, with a sampling interval of 7 ms.
someone_else_starts() {
    stage_by_hand intervals/sample_us 7000
    echo on >$DAMON/0/state # of the guest
}

# open_terminal LINE…: these lines of a script run on a terminal of their own, in this directory. What telnetd
# starts has a terminal: what is typed goes to descriptor 4, and what is told to show to the file shown.
open_terminal() {
    mkdir -p /dev/pts
    [ -e /dev/pts/ptmx ] || mount -t devpts devpts /dev/pts # of the guest
    printf '%s\n' '#!/bin/sh' "cd '$PWD'" "$@" 'echo $? >code' >login
    chmod 755 login
    rm -f code
    [ -p keys ] || mkfifo keys
    telnetd -F -K -b 127.0.0.1:2323 -l "$PWD/login" &
    server=$!
    usleep 300000
    nc 127.0.0.1 2323 <keys >shown &
    client=$!
    exec 4>keys
}

# close_terminal SECONDS: waits until the script has ended, whose exit code is in the file code then.
close_terminal() {
    wait_for "$1" test -s code
    usleep 300000 # what is still to be shown
    exec 4>&-
    kill $client $server 2>/dev/null
}

# tell, told NAME: a figure of the first scheme, out of `damo status --json`, in $told_json. On a busy host an aggregation of an
# emulated guest may take longer than damo waits for it.
tell() {
    for _ in 1 2 3; do
        told_json=$(damo status --json "$@") && return
    done
    fail "damo status --json fails"
}
told() { echo "$told_json" | sed -n "s/^ *\"$1\": \([0-9]*\),*$/\1/p" | head -1; }

# A figure of a process from /proc/PID/status, in bytes: VmRSS, VmSwap.
memory_of() { awk -v name="$2:" '$1 == name { printf "%.0f", $2 * 1024 }' "/proc/$1/status"; }

# mean_rss PID SECONDS: its mean resident size over this time, some looks a second.
mean_rss() {
    looks=0 sum=0 until=$(awk -v seconds="$2" '{printf "%.0f", ($1 + seconds) * 100}' /proc/uptime)
    while [ "$(awk '{printf "%.0f", $1 * 100}' /proc/uptime)" -lt "$until" ]; do
        sum=$((sum + $(memory_of "$1" VmRSS))) looks=$((looks + 1))
        usleep 150000
    done
    echo $((sum / looks))
}

# refused COMMAND…: it ends with exit code 2 and a message, which is in the file `said` then, and leaves no file, no note and
# DAMON as it was found.
refused() {
    touch said before after
    settings >before && ls -A >>before
    "$@" >said 2>&1
    code=$?
    echo "--- $*"
    cat said
    expect "the exit code" $code = 2
    settings >after && ls -A >>after
    cmp before after || { diff before after; fail "something was left behind"; }
    ls /run/damo/record-* 2>/dev/null && fail "a note was left behind"
    damon_is_on && fail "DAMON is on"
    true
}

# says WORDS…: these are in `said`, each as it stands.
says() {
    for words in "$@"; do grep -qF -e "$words" said || fail "the message does not say: $words"; done
}
says_not() { ! grep -F -e "$1" said || fail "the message says: $1"; }

# doctor CODE CHECK=MARK[,CHECK=MARK…] [COMMAND…]: `damo doctor`, run by COMMAND, ends with CODE and marks each CHECK so, in
# the table, which is in `said` then, and as JSON.
doctor() {
    ends=$1 marks=$2
    shift 2
    "$@" damo doctor >said
    expect "the exit code of doctor" $? = "$ends"
    cat said
    "$@" damo doctor --json >json
    expect "the exit code of doctor --json" $? = "$ends"
    ready=true && [ "$ends" = 0 ] || ready=false
    grep -q "^  \"ready\": $ready" json || fail "the JSON does not say ready: $ready"
    for each in $(echo "$marks" | tr , ' '); do
        name=${each%=*} mark=${each#*=}
        case $mark in MISSING) verdict=bad ;; ok) verdict=good ;; *) verdict=$mark ;; esac
        grep -q "^$mark  *$name " said || fail "doctor does not mark $name as $mark"
        tr -d '\n' <json | grep -q "\"name\": \"$name\"[^}]*\"verdict\": \"$verdict\"" || fail "the JSON does not say $each"
    done
}

# As a user without rights.
as_nobody() { su nobody -s /bin/sh -c "$*"; }

# Run after each check: what it left running is ended. DAMON must be off and set up for nothing, as at the beginning.
clean_up() {
    left=0
    for process in damo-record damo masim; do killall -q -9 "$process"; done
    for process in $(pidof damo-workload); do
        grep -qa wake-every "/proc/$process/cmdline" || kill -9 "$process"
    done
    rm -f /run/damo/started /run/damo/record-*
    umount /tmp/check/*/* 2>/dev/null
    for instance in $TRACING/instances/*; do # of the guest
        [ ! -d "$instance" ] || { echo 0 >"$instance/events/enable"; rmdir "$instance"; }
    done
    if damon_is_on; then
        echo "DAMON was left on:"
        grep . $DAMON/*/state $DAMON/*/pid
        for state in $DAMON/*/state; do echo off >"$state" 2>/dev/null; done
        left=1
    fi
    if [ -e $DAMON ] && [ "$(cat $DAMON/nr_kdamonds)" != 0 ]; then
        echo "DAMON was left set up:"
        settings | head -5
        echo 0 >$DAMON/nr_kdamonds # of the guest
        left=1
    fi
    return $left
}
