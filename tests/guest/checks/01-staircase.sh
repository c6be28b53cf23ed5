# the demo of the talk: of a staircase recorded by its name each phase is found where and when it really was
# kernel: 6.12 newest
group=/sys/fs/cgroup/masim # of the guest
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir $group
ln -s "$(command -v damo-workload)" masim
trace_events staircase
# Started inside of its control group, which so has all of its memory; in the name of the link.
echo 0 >$group/cgroup.procs
WORKLOAD=./masim start_workload stairs
echo 0 >/sys/fs/cgroup/cgroup.procs
expect "the workload is found by its name" "$(pidof masim)" = "$pid"
damo record $(pidof masim) -o stairs.damo >record.out 2>record.log &
recorder=$!
follow_recorder
note_birth
wait "$pid"
ended=$(uptime_now)
wait "$recorder"
code=$?
complete=$(uptime_now)
cat record.log
expect "the recorder ends well when its target exits" "$code" = 0
is_complete stairs.damo stairs.truth
# after-01-staircase.sh makes the reports of the talk of it.
cp stairs.damo stairs.truth "$OUT/$NAME"
echo "pid $pid" >"$OUT/$NAME/result"
expect "all six phases are in the record" "$s_phases_seen" = 6
at_least "worst precision of a phase" "$s_worst_precision" 0.9
at_least "worst recall of a phase" "$s_worst_recall" 0.9
expect "no event is lost" "$s_lost" = 0
first_snapshot
end_trace
# It is the first that the kernel reports, not the one after it. How soon that comes is up to the kernel: after one
# aggregation, of which the first may take longer than the mean one. On an idle host it is 0.9 to 1.15 of these, on one with
# five times as much to do as it has CPUs 1.6 were seen.
at_most "aggregations between the kernel's first event and the first snapshot's end" "$first_off" 0.5
at_most "aggregations until the first snapshot" "$first_after" 2.5
took=$(echo "$complete $ended" | awk '{print $1 - $2}')
# What is quick depends on how much of a CPU the guest has at the moment: four starts of a program take 0.6 s in an emulated guest on a
# host with little else to do.
begun=$(uptime_now)
for _ in 1 2 3 4; do damo-record --version >/dev/null; done
starts=$(echo "$(uptime_now) $begun" | awk '{print $1 - $2}')
note "four starts of the recorder take $starts s"
at_most "seconds from the target's exit to the complete file" "$took" "$(echo "$starts" | awk '{print 0.2 + $1}')"
# In a short record of few regions the side data weighs, which comes by the second. The busier the host, the longer take
# aggregations, and the fewer are the regions that share it: counted are those that there would be in as many of 100 ms.
at_most "bytes per region" "$(echo "$s_file_bytes $s_regions $aggregation" | awk '{print $1 / ($2 * $3 / 0.1)}')" 2.0
at_most "KiB resident at most" "$(cat peak)" 32768

# What is in the record beside snapshots, some 20 s of it: about once a second, the system's every five.
[ -e /proc/pressure/memory ] || fail "this kernel tells no pressure, which is to be recorded"
expect "mappings are recorded" "$s_mappings" -ge 1
expect "memory footprints are recorded" "$s_footprints" -ge 15
at_least "bytes resident, of areas of 50 MB" "$s_max_rss" 50000000
at_most "bytes resident, of areas of 50 MB" "$s_max_rss" 80000000
at_least "bytes of the control group" "$s_max_cgroup" 50000000
at_least "proportional bytes" "$s_max_pss" 50000000
expect "what is swapped out is told, nothing" "$s_max_swap" = 0
expect "CPU times of the workload are recorded" "$s_cpu_times" -ge 30
expect "CPU times of the kdamond, among them" "$s_kdamond_cpu_times" -ge 15
expect "the system's memory is recorded" "$s_system_footprints" -ge 3
expect "pressure on CPU, memory and disks is recorded" "$s_pressures" -ge 9
expect "parameters are recorded once, because nothing changes them" "$s_params" = 1
rmdir $group
note "precision $s_precision, recall $s_recall, worst phase $s_worst_precision and $s_worst_recall"
note "$s_bytes_per_region bytes per region, $(cat peak) KiB, complete $took s after the exit, first snapshot after $first_after aggregations"
