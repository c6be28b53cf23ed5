# the memory of a NUMA node is monitored; a node that does not exist is named
# kernel: 6.12 newest
start_workload steady
damo-record --numa_node 7 --timeout 1 -o none.damo 2>said && fail "a node that does not exist was recorded"
cat said
grep -q 'node 7' said || fail "the message does not name the node"
start_record --numa_node 0 --timeout 5 -o node.damo
wait_for 45 damon_is_on
expect "the operations set is paddr" "$(cat $DAMON/0/contexts/0/operations)" = paddr
end_record 45
expect "the recorder ends well after its time" "$code" = 0
is_complete node.damo
expect "there are snapshots" "$s_snapshots" -ge 3
expect "regions lie within the machine's memory" "$s_highest" -le $((8 * 1024 * 1024 * 1024))
expect "most of the machine's memory is in the node" "$s_highest" -ge $((1024 * 1024 * 1024))
damon_is_on && fail "DAMON is still on"
true
