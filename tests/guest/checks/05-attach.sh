# a kdamond that runs already is recorded and left exactly as it was
# kernel: 6.12 newest
start_workload steady
echo 1 >$DAMON/nr_kdamonds # of the guest
echo 1 >$DAMON/0/contexts/nr_contexts
context=$DAMON/0/contexts/0
echo vaddr >$context/operations
echo 1 >$context/targets/nr_targets
echo "$pid" >$context/targets/0/pid_target
echo 7000 >$context/monitoring_attrs/intervals/sample_us
echo 140000 >$context/monitoring_attrs/intervals/aggr_us
echo on >$DAMON/0/state
settings() { grep -r . $DAMON 2>/dev/null | sort; }
settings >before
start_record --timeout 4 -o attached.damo
end_record 15
expect "the recorder ends well after its time" "$code" = 0
settings >after
cmp before after || { diff before after; fail "the kdamond's settings or state changed"; }
expect "the kdamond still runs" "$(cat $DAMON/0/state)" = on
is_complete attached.damo
expect "there are snapshots" "$s_snapshots" -ge 10
expect "the record knows the real intervals" "$s_sample_us" = 7000
echo off >$DAMON/0/state
unstage
