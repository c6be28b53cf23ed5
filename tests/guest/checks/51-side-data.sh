# what a control group uses and what is swapped out of a process is in the record, as the kernel tells it
echo +memory >/sys/fs/cgroup/cgroup.subtree_control # of the guest
group=/sys/fs/cgroup/side
mkdir $group
echo 0 >$group/cgroup.procs
start_workload steady
echo 0 >/sys/fs/cgroup/cgroup.procs
wait_for 30 grep -q '"phase":"steady"' steady.truth
# The cold area goes; the busy one comes back. What is swapped out is looked at in the first round and each ten seconds.
echo 30M >$group/memory.reclaim
sleep 1
swapped=$(memory_of "$pid" VmSwap)
at_least "bytes swapped out" "$swapped" 20000000
start_record "$pid" -o side.damo
wait_for 45 damon_is_on
sleep 2
used=$(cat $group/memory.current)
echo 6M >$group/memory.reclaim
sleep 3
left=$(cat $group/memory.current)
kill -INT "$recorder"
end_record 30
expect "the recorder ends well" "$code" = 0
kill -9 "$pid"
wait_for 10 rmdir $group
is_complete side.damo
# same WHAT RECORDED TOLD: within a twentieth of what the kernel told the check.
same() {
    at_least "$1" "$2" "$(awk "BEGIN { printf \"%.0f\", $3 * 0.95 }")"
    at_most "$1" "$2" "$(awk "BEGIN { printf \"%.0f\", $3 * 1.05 }")"
}
same "what the group used at first" "$s_max_cgroup" "$used"
at_most "what it used in the end" "$left" "$((used - 3000000))"
same "what the group used in the end" "$s_last_cgroup" "$left"
same "what was swapped out" "$s_max_swap" "$swapped"
at_least "what the system had in swap" "$s_max_swap_used" "$((swapped + 3000000))"
note "group $((used >> 20)) MiB, then $((left >> 20)); $((swapped >> 20)) MiB swapped out"
