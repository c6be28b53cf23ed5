# children that are gone before DAMON has taken them neither keep a recording from beginning nor end it, though they end DAMON here
# kernel: 6.12 newest
# limit: 200
cat >family.sh <<'X'
damo-workload -q --nr_accesses_per_region 2442 --rest 200 --truth "$1.truth" "$CONFIGS/steady.cfg" &
work=$!
while [ ! -e stop ]; do sleep 1.1 & sleep 1.3 & sleep 0.05 & sleep 2.2 & sleep 0.3; done
kill $work
X
export CONFIGS

# recorded NAME: the record of the family goes on to the end of its time.
recorded() {
    cat record.log
    expect "the end is well" "$code" = 0
    is_complete $1.damo $1.truth
    span=$(awk "BEGIN { print ($s_last_ns - $s_first_ns) / 1e9 }")
    at_least "seconds from the first snapshot to the last" "$span" 10
    at_least "snapshots of who lives long" "$s_target_snapshots" 25
    note "$1: $span s, $s_target_pids targets, $s_snapshots snapshots, $s_target_snapshots of who lives long"
}

start_record -o command.damo --timeout 12 -- sh family.sh command
wait_for 40 grep -q 'time is over' record.log
touch stop
end_record 30
recorded command

rm stop
for i in 1 2 3 4; do
    (while [ ! -e stop ]; do sleep 0.2; done) &
done
sh family.sh pid &
family=$!
for i in 1 2 3 4 5; do
    damo-record $family --timeout 0.3 -q -o try.damo || fail "try $i does not begin"
    rm try.damo
done
start_record $family -o pid.damo --timeout 12
end_record 40
recorded pid

# A control group, of which one stays.
mkdir -p /sys/fs/cgroup && { grep -q cgroup2 /proc/mounts || mount -t cgroup2 none /sys/fs/cgroup; }
mkdir /sys/fs/cgroup/family
rm -f stop
sh -c 'echo $$ >/sys/fs/cgroup/family/cgroup.procs; exec sh family.sh cgroup' &
sleep 1
start_record --cgroup /family -o cgroup.damo --timeout 12
end_record 40
recorded cgroup
touch stop
true
