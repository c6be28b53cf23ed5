# a module that is on is switched off for a recording that says so, and on again: at the end, after a signal, after a kill
# kernel: 6.12 newest
module=damon_stat
[ -e /sys/module/damon_stat ] || module=damon_reclaim
enabled=/sys/module/$module/parameters/enabled
start_workload steady
damo module ${module#damon_} enable || fail "$module cannot be enabled"
damo-record --pause_modules "$pid" --timeout 3 -o a.damo || fail "the recording did not come about"
is_complete a.damo
expect "there are snapshots" "$s_snapshots" -gt 5
expect "it is on again at the end" "$(cat $enabled)" = Y
start_record --pause_modules "$pid" -o b.damo
wait_for 20 damon_is_on
expect "it is off meanwhile" "$(cat $enabled)" = N
kill -TERM $recorder
end_record 20
expect "it is on again after a signal" "$(cat $enabled)" = Y
start_record --pause_modules "$pid" -o c.damo
wait_for 20 damon_is_on
kill -KILL $recorder
wait $recorder 2>/dev/null
expect "after a kill it is still off" "$(cat $enabled)" = N
damo-record --stop_stale --pause_modules "$pid" --timeout 2 -o d.damo 2>said || fail "the next recording did not come about"
says "Switched $module on again"
expect "and the next run switched it on" "$(cat $enabled)" = Y
damo start --pause_modules "$pid" || fail "start did not come about"
expect "it is off after start" "$(cat $enabled)" = N
damo stop 2>said || fail "stop failed"
says "Switched $module on again"
expect "and on again after stop" "$(cat $enabled)" = Y
damo module ${module#damon_} disable
