# on the newest kernel as it is installed, with DAMON_STAT on from boot, recording and steering work
# kernel: newest
# append: damon_stat.enabled=Y
stat=/sys/module/damon_stat/parameters
expect "DAMON_STAT is on" "$(cat $stat/enabled)" = Y
damo status >said || fail "status fails"
says "module damon_stat: enabled" "idle memory: 0 %"
damo module stat >said || fail "the module is not shown"
says "damon_stat: enabled (thread $(cat $stat/kdamond_pid))" aggr_interval_us
damo-record --timeout 12 -o stat.damo || fail "DAMON_STAT is not recorded"
score stat.damo
expect "DAMON_STAT's snapshots are there" "$s_snapshots" -gt 0
expect "their intervals are known" "${s_last_aggregation_us:-0}" -gt 0
expect "an aggregation has as many samples as DAMON_STAT gives it" "$s_last_aggregation_us" = $((20 * s_last_sample_us))
start_workload steady
refused damo-record "$pid" --timeout 1 -o none.damo
says damon_stat --pause_modules
damo-record --pause_modules "$pid" --timeout 5 -o a.damo || fail "the recording did not come about"
is_complete a.damo steady.truth
expect "there are snapshots" "$s_snapshots" -gt 20
expect "no event is lost" "$s_lost" = 0
expect "DAMON_STAT is on again" "$(cat $stat/enabled)" = Y
damo start --pause_modules --damos_action stat "$pid" || fail "start did not come about"
sleep 3
damo status >said || fail "status fails"
says "kdamond 0: on" "module damon_stat: not enabled"
damo stop || fail "stop failed"
expect "DAMON_STAT is on again after stop" "$(cat $stat/enabled)" = Y

# On a terminal the talk's line asks, and records after a yes.
ln -s "$(command -v damo-workload)" masim
kill -9 "$pid"
WORKLOAD=./masim start_workload steady
open_terminal 'damo record $(pidof masim) -o talk.damo --timeout 4'
wait_for 45 grep -q 'Switch off now, and on again afterwards?' shown
expect "nothing is changed before the answer" "$(cat $stat/enabled)" = Y
printf 'y\r' >&4
close_terminal 60
cat shown
expect "the recorder ends well" "$(cat code)" = 0
expect "DAMON_STAT is on again after the answer was yes" "$(cat $stat/enabled)" = Y
is_complete talk.damo steady.truth
expect "there are snapshots" "$s_snapshots" -gt 15
