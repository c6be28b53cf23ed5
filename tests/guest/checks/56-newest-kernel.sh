# on the newest kernel as it is installed, with DAMON_STAT on from boot, recording and steering work
# kernel: 7.3
stat=/sys/module/damon_stat/parameters
expect "DAMON_STAT is on" "$(cat $stat/enabled)" = Y
damo status >said || fail "status fails"
says "module damon_stat: enabled" "idle memory: 0 %"
damo module stat >said || fail "the module is not shown"
says "damon_stat: enabled (thread $(cat $stat/kdamond_pid))" aggr_interval_us
damo-record --timeout 12 -o stat.damo || fail "DAMON_STAT is not recorded"
damo info stat.damo >said || fail "info fails"
says "damon_stat"
damo report raw stat.damo >said || fail "the record of DAMON_STAT cannot be read"
damo convert stat.damo stat.json || fail "it cannot be converted"
expect "its intervals are known" "$(grep -c '"aggr_us": null' stat.json)" = 0
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
