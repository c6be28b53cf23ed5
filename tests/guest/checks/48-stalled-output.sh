# an output that takes nothing keeps no signal from switching DAMON off and putting it back; then it is given up with an error
start_workload large
mkfifo stalled
sleep 60 <stalled &
reader=$!
damo-record "$pid" -n 1000 -m 3000 -s 5000 -a 10000 -o - >stalled 2>record.log &
recorder=$!
wait_for 45 damon_is_on
# More than a pipe and what may wait hold.
sleep 8
damon_is_on || fail "the recording has ended before"
kill -TERM $recorder
wait_for 20 sh -c "! grep -qx on $DAMON/*/state 2>/dev/null"
kill -0 $recorder || fail "what waits is not waited for"
sleep 2
kill -TERM $recorder
end_record 30
expect "an incomplete record is an error" "$code" = 2
grep -q 'incomplete' record.log || fail "it is not told that the record is incomplete"
kill $reader
