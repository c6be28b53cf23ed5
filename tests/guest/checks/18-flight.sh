# the flight recorder keeps the last seconds only, and writes them when asked by SIGUSR1 and at the end
start_workload steady
start_record "$pid" --keep 2s -o flight.damo
wait_for 45 damon_is_on
sleep 6
expect "nothing is written before it is asked for" -z "$(ls | grep '^flight.*damo' | grep -v '[.]mark$')"
kill -USR1 "$recorder"
wait_for 30 test -e flight.0001.damo
is_complete flight.0001.damo
expect "the dump has snapshots" "$s_snapshots" -ge 3
expect "the dump has no more than the last seconds" $((s_last_ns - s_first_end_ns)) -le 2000000000
expect "the dump has all of the last seconds" $((s_last_ns - s_first_end_ns)) -ge 1000000000
first=$s_first_end_ns last=$s_last_ns
kill -0 "$recorder" || fail "the recorder ended with the dump"
sleep 1
kill -INT "$recorder"
end_record 30
is_complete flight.damo
expect "the end has no more than the last seconds" $((s_last_ns - s_first_end_ns)) -le 2000000000
expect "recording went on after the dump" "$s_last_ns" -gt "$last"
expect "what was old is forgotten" "$s_first_end_ns" -gt "$first"
damon_is_on && fail "DAMON is still on"
true
