# with two NUMA nodes, one of them without CPUs: schemes migrate memory between them, and the memory of one is monitored
# kernel: 6.12 newest
# nodes: 2
# limit: 200
expect "there are two nodes" "$(cat /sys/devices/system/node/has_memory)" = 0-1
expect "the second one has no CPU" "$(cat /sys/devices/system/node/has_cpu)" = 0
start_workload steady
wait_for 30 grep -q '"phase":"steady"' steady.truth
find_area cold
cold=$area_start cold_size=$area_size
at_least "the share of the cold area on node 0, where the CPUs are" "$(share_on_node 0 "$cold" "$cold_size")" 0.95

# What is idle goes to the slow node. Physical memory is what each kernel with migration can do that for.
damo start paddr --damos_action migrate_cold 1 --damos_access_rate 0% 0% --damos_age 1s max || fail "does not start"
damo status >status.txt
grep -q "migrate_cold to node 1" status.txt || fail "status does not tell the node"
await_share_on_node 1 "$cold" "$cold_size" 0.6
moved=$share
damo stop || fail "does not stop"
at_least "the share of the cold area that is on node 1" "$moved" 0.5
note "$moved of the cold area moved"

# The memory of the second node alone.
start_record --numa_node 1 --timeout 4 -o node.damo
end_record 45
expect "the recorder ends well after its time" "$code" = 0
is_complete node.damo
expect "there are snapshots" "$s_snapshots" -ge 3
start=$(($(cat /proc/zoneinfo | awk '/^Node 1/ {node = 1} node && /start_pfn/ {print $2; exit}') * 4096))
expect "regions lie within the node" "$s_lowest" -ge "$start"

# To several nodes by weight, of a process's own memory: since 6.17.
if kernel_has schemes/0/dests; then
    damo start "$pid" --damos_action migrate_cold 0 1 1 3 --damos_access_rate 0% 0% --damos_age 1s max || fail "weights are refused"
    wait_for 40 sh -c "damo status --json | grep -q '\"sz_applied\": [1-9][0-9]\{7\}'"
    sleep 3
    damo stop || fail "does not stop"
    share=$(share_on_node 1 "$cold" "$cold_size")
    at_least "the share of the cold area on node 1, of three quarters" "$share" 0.65
    at_most "the share of the cold area on node 1, of three quarters" "$share" 0.85
    note "$share of it on node 1 by weights 1 and 3"
else
    damo start "$pid" --damos_action migrate_cold 0 1 1 3 2>refused && fail "weights are taken, which this kernel does not have"
    cat refused
    grep -q '6\.17' refused || fail "the refusal does not name the release"
fi

# A goal for the use of a node: since 6.16.
if kernel_has schemes/0/dests; then
    damo start paddr --damos_action migrate_cold 1 --damos_access_rate 0% 0% --damos_quota_interval 1s --damos_quota_space 50M \
        --damos_quota_goal node_mem_free_bp 99% 0 || fail "a goal for a node is refused"
    sleep 4
    expect "the goal is for the node" "$(cat $DAMON/0/contexts/0/schemes/0/quotas/goals/0/nid)" = 0
    tell
    expect "a quota is in effect" "$(told effective_sz_bytes)" -gt 0
    damo stop || fail "does not stop"
fi
# A node that does not exist.
damo start paddr --damos_action migrate_cold 5 2>refused && fail "a node that does not exist is taken"
cat refused
grep -q 'node 5' refused || fail "the refusal does not name the node"
damon_is_on && fail "DAMON is still on"
true
