# events lost because the recorder could not keep up are counted and reported
start_workload large
start_record "$pid" -n 1000 -m 2000 -s 5000 -a 10000 --timeout 12 -o lossy.damo
sleep 3
# The ring holds about a second of this.
kill -STOP "$recorder"
sleep 5
kill -CONT "$recorder"
end_record 30
is_complete lossy.damo
expect "losses are in the record" "$s_lost" -gt 0
expect "snapshots with a loss are marked" "$s_partial" -gt 0
grep -qi lost record.log || fail "the recorder does not tell of the loss"
note "$s_lost events lost, $s_partial partial snapshots of $s_snapshots"
