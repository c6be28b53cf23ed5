# a process's busy memory is migrated to the other node (since 6.17), and the figures of that node tell that it is there
# kernel: 6.12 newest
# nodes: 2
# limit: 240
# The area is alone: the kernel tells nodes by mapping, and areas that are neighbours are one.
start_workload busy
find_area hot
hot=$area_start hot_size=$area_size

# accessed_on_node NODE: the bytes accessed in the last snapshots of the node's memory alone, in $s_last_accessed.
# Within 100 ms a slow guest too goes over the whole area, and regions of 5 MiB tell it from what is around it.
accessed_on_node() {
    start_record --numa_node "$1" -s 100ms -a 1s -u 20s -n 200 -m 1000 --timeout 12 -o node.damo
    end_record 60
    expect "the recorder ends well after its time" "$code" = 0
    is_complete node.damo
    expect "there are snapshots" "$s_snapshots" -ge 3
}

if ! kernel_has schemes/0/dests; then
    damo start "$pid" --damos_action migrate_hot 1 --damos_access_rate 20% 100% 2>refused && fail "a migration is taken, which this kernel does not do"
    cat refused
    grep -q '6\.17' refused || fail "the refusal does not name the release"
    finish
fi

accessed_on_node 1
idle=$s_last_accessed
at_least "the share of the busy area on node 0, where the CPUs are" "$(share_on_node 0 "$hot" "$hot_size")" 0.95
damo start "$pid" --damos_action migrate_hot 1 --damos_access_rate 20% 100% --damos_age 0s max || fail "does not start"
damo status >status.txt
grep -q "migrate_hot to node 1" status.txt || fail "status does not tell the node"
await_share_on_node 1 "$hot" "$hot_size" 0.8
busy=$share
tell
expect "status tells what moved" "$(told sz_applied)" -ge $((hot_size / 2))
damo stop || fail "does not stop"
at_least "the share of the busy area that is on node 1" "$busy" 0.5
accessed_on_node 1
expect "the record of node 1 tells that it is busy now" "$s_last_accessed" -ge $((idle + hot_size / 4))
note "$busy of the busy area moved; $((idle >> 20)) MiB of node 1 were accessed before, $((s_last_accessed >> 20)) after"
