# --snapshot reads so many snapshots of each of two processes, without the tracepoint
# kernel: 6.12 newest
start_workload steady
first=$pid
start_workload zigzag
umount $TRACING # of the guest
trap 'mount -t tracefs tracefs $TRACING' EXIT # of the guest
start_record "$first" "$pid" --snapshot 1 3 -o snapshot.damo
end_record 60
expect "the recorder ends well after its count" "$code" = 0
is_complete snapshot.damo steady.truth
expect "there are three snapshots of the first" "$s_target_snapshots" = 3
expect "both are targets" "$s_target_pids" = 2
expect "there are three of each" "$s_snapshots" = 6
expect "regions are in order" "$s_unordered" = 0
at_least "recall of the first" "$s_recall" 0.9
score snapshot.damo zigzag.truth
expect "there are three snapshots of the second" "$s_target_snapshots" = 3
at_least "recall of the second" "$s_recall" 0.9
damon_is_on && fail "DAMON is still on"
true
