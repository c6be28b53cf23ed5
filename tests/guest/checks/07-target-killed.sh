# a target that is killed ends the recording with a complete file
start_workload steady
start_record "$pid" -o killed.damo
sleep 4
kill -9 "$pid"
end_record 10
expect "the recorder ends well" "$code" = 0
is_complete killed.damo
expect "there are snapshots" "$s_snapshots" -ge 10
expect "DAMON is off" "$(damon_is_on; echo $?)" != 0
