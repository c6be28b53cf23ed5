# an output that takes nothing keeps no signal from switching DAMON off and putting it back; then it is given up with an error
start_workload large
mkfifo stalled
sleep 60 <stalled &
reader=$!
damo-record "$pid" -n 1000 -m 3000 -s 5000 -a 10000 -o - >stalled 2>record.log &
recorder=$!
wait_for 45 damon_is_on
# Until more has come than a pipe and what may wait hold: from then on the recorder waits for the pipe.
cat /proc/$recorder/task/*/wchan
wait_for 60 sh -c "cat /proc/$recorder/task/*/wchan | grep -q pipe_w"
sleep 2
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
