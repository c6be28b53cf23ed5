# attached to a kdamond whose owner gives it another process: from the commit on that one is the target, under its own name
start_workload zigzag
first=$pid
start_workload steady
second=$pid
damo start "$first" || fail "does not start"
start_record --timeout 8 -o attached.damo
sleep 3
damo tune "$second" || fail "does not tune"
end_record 25
damo stop || fail "does not stop"
is_complete attached.damo zigzag.truth
expect "there are snapshots of the first" "$s_target_snapshots" -ge 5
expect "two targets" "$s_target_pids" = 2
score attached.damo steady.truth
expect "there are snapshots of the second" "$s_target_snapshots" -ge 5
kill -9 "$first" "$second"
