# SIGINT, SIGTERM and SIGHUP each end a recording with a complete file and DAMON switched off
start_workload steady
for signal in INT TERM HUP; do
    # A shell without job control starts background programs with SIGINT ignored: the recorder must listen all the same.
    start_record "$pid" -o $signal.damo
    sleep 3
    kill -$signal "$recorder"
    end_record 10
    is_complete $signal.damo
    expect "there are snapshots" "$s_snapshots" -ge 2
    damon_is_on && fail "DAMON is still on after SIG$signal"
done
true
