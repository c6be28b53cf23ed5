#!/bin/sh
# Records processes of known behaviour by their referenced pages, and where DAMON may be used (in the guest) by DAMON as well.
# Prints rows of a table: how much of the memory was accessed, how much the record says was, how far apart the snapshots were,
# what the monitoring took of a CPU, and by how much the process was slower meanwhile than just before and after. docs/evaluation.md
# shows the rows.
# Usage: sources.sh [--damon] MIB…       damo-record, damo-workload and damo-score must be in the PATH
damon=no
[ "$1" != --damon ] || { damon=yes && shift; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# CPU seconds that a process used so far.
cpu_of() { awk '{sub(/.*\) /, ""); printf "%.2f", ($12 + $13) / 100}' "/proc/$1/stat" 2>/dev/null; }

# wait_for_phase BEGIN_OR_END PHASE: of the workload.
wait_for_phase() {
    while ! grep -q "\"$1\",\"phase\":\"$2\"" truth 2>/dev/null; do sleep 0.05; done
}

# slower: by which percentage the process made fewer accesses a second in the phase `work` than in `before` and `after`.
slower() {
    sed -n 's/.*"\(begin\|end\)","phase":"\([a-z]*\)","at":\([0-9]*\)\(.*"accesses":\([0-9]*\)\)*.*/\1 \2 \3 \5/p' truth | awk '
        $1 == "begin" { begun[$2] = $3 }
        $1 == "end" { seconds[$2] = ($3 - begun[$2]) / 1e9; accesses[$2] = $4 }
        END { alone = (accesses["before"] + accesses["after"]) / (seconds["before"] + seconds["after"])
            printf "%.1f", 100 * (1 - accesses["work"] / seconds["work"] / alone) }'
}

# run SOURCE: lets the workload run with a recorder, and leaves in $cost which percentage of a CPU the monitoring took.
run() {
    rm -f truth work.damo
    damo-workload --quiet --truth truth load.cfg &
    load=$!
    wait_for_phase begin work
    damo-record $load --quiet --source "$1" -o work.damo 2>log &
    recorder=$!
    begun=$(cut -d' ' -f1 /proc/uptime) cost=0 theirs=0
    until grep -q '"end","phase":"work"' truth; do
        cpu=$(cpu_of $recorder) && [ -n "$cpu" ] && ours=$cpu
        if [ "$1" = damon ]; then
            kdamond=$(cat /sys/kernel/mm/damon/admin/kdamonds/0/pid 2>/dev/null) # of the guest
            [ "${kdamond:--1}" = -1 ] || theirs=$(cpu_of "$kdamond")
        fi
        now=$(cut -d' ' -f1 /proc/uptime)
        cost=$(awk "BEGIN { printf \"%.2f\", (${ours:-0} + ${theirs:-0}) * 100 / ($now - $begun + 0.001) }")
        sleep 0.2
    done
    kill -INT $recorder
    wait $recorder
    wait $load
}

for mib in "$@"; do
    # A quarter is accessed all the time, the rest once. Reading the pages of large processes is done more seldom.
    cat >load.cfg <<END
hot, $((mib * 262144))
cold, $((mib * 786432))

fill
5000
hot, 0, 4096, 1
cold, 0, 4096, 3

before
10000
hot, 0, 4096, 1

work
$((30000 + mib * ${PER_MIB:-40}))
hot, 0, 4096, 1

after
10000
hot, 0, 4096, 1
END
    for source in referenced damon; do
        [ $source = referenced ] || [ $damon = yes ] || continue
        run $source
        damo-score work.damo --truth truth >score
        eval "$(sed -n 's/^\([a-z_0-9]*=[-0-9.]*\)$/s_\1/p' score)"
        found=$(sed -n 's/^# work: \([0-9]*\) snapshots, \([0-9]*\) bytes accessed, \([0-9]*\) hot.*/\1 \2 \3/p' score)
        echo "$mib $source $found $s_first_end_ns $s_last_ns $s_snapshots $cost $(slower)" | awk '{
            printf "| %d | %s | %.1f | %.1f | %.1f s | %.2f %% | %.1f %% |\n", $1, $2, $4 / 1048576, $5 / 1048576,
                ($8 > 1 ? ($7 - $6) / ($8 - 1) / 1e9 : 0), $9, $10 }'
    done
done
