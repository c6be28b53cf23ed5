# a target that is killed ends the recording with a complete file
start_workload steady
start_record "$pid" -o killed.damo
wait_for 45 damon_is_on # a starved host takes its time
sleep 4
kill -9 "$pid"
end_record 30
expect "the recorder ends well" "$code" = 0
is_complete killed.damo
expect "there are snapshots" "$s_snapshots" -ge 3
expect "DAMON is off" "$(damon_is_on; echo $?)" != 0
