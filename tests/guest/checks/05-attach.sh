# a kdamond that runs already is recorded and left exactly as it was
# kernel: 6.12 newest
start_workload steady
stage_by_hand intervals/sample_us 7000 intervals/aggr_us 140000
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
