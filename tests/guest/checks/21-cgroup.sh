# the processes of a control group are monitored, also one that joins later, and none outside of it
# kernel: 6.12 newest
group=/sys/fs/cgroup/check # of the guest
mkdir $group
start_workload steady
start_workload zigzag
start_workload stairs
sed -n 's/.*"pid":\([0-9]*\).*/\1/p' steady.truth >$group/cgroup.procs
start_record --cgroup /check --timeout 8 -o group.damo
wait_for 45 damon_is_on
sleep 1
echo "$pid" >$group/cgroup.procs
end_record 60
expect "the recorder ends well after its time" "$code" = 0
for process in $(cat $group/cgroup.procs); do kill -9 "$process"; done
wait_for 10 rmdir $group
is_complete group.damo steady.truth
expect "there are snapshots of the first" "$s_target_snapshots" -ge 3
expect "the two of the group are targets" "$s_target_pids" = 2
score group.damo stairs.truth
expect "there are snapshots of the one that joined" "$s_target_snapshots" -ge 3
score group.damo zigzag.truth
expect "the one outside is none" "$s_target_snapshots" = 0
