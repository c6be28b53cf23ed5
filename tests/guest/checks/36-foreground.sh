# schemes in the foreground end with a signal, their time, their target or their program, tell what they did and undo it
# kernel: 6.12 newest
start_workload steady
sleep 1
settings >found
scheme="--damos_access_rate 0% 0% --damos_age 500ms max --damos_action stat"
# tried FILE: that this many bytes and more were tried is said at the end.
tells() {
    cat "$1"
    grep -q "scheme 0: stat" "$1" || fail "$2: the scheme is not told"
    grep -q "tried  *[1-9]" "$1" || fail "$2: it is not told what was tried"
}

damo schemes $scheme "$pid" >signal.txt &
schemes=$!
wait_for 10 damon_is_on
sleep 4
kill -TERM $schemes
wait $schemes || fail "a signal is no failure"
tells signal.txt "after a signal"
same "a signal left other settings"

damo schemes $scheme "$pid" --timeout 4 >timeout.txt || fail "the end of the time is no failure"
tells timeout.txt "after its time"
same "the end of the time left other settings"

damo schemes $scheme "$pid" >exit.txt &
schemes=$!
wait_for 10 damon_is_on
sleep 4
kill -9 "$pid"
wait_for 10 sh -c "! kill -0 $schemes"
wait $schemes || fail "the end of the target is no failure"
tells exit.txt "after the end of the target"
same "the end of the target left other settings"

damo schemes $scheme -- sh -c 'sleep 3; exit 7' >command.txt
expect "the exit code of the program is passed on" $? = 7
grep -q "scheme 0: stat" command.txt || fail "after the program: the scheme is not told"
same "the end of the program left other settings"
