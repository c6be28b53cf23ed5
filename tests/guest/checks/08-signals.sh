# SIGINT, SIGTERM and SIGHUP each end a recording with a complete file, DAMON switched off and all settings as found
start_workload steady
somebody_stages
for signal in INT TERM HUP; do
    # A shell without job control starts background programs with SIGINT ignored: the recorder must listen all the same to one
    # that a process sends.
    start_record "$pid" -o $signal.damo
    sleep 3
    damon_is_on || fail "DAMON is not on before SIG$signal"
    kill -$signal "$recorder"
    end_record 10
    expect "the recorder ends well" "$code" = 0
    is_complete $signal.damo
    expect "there are snapshots" "$s_snapshots" -ge 2
    damon_is_on && fail "DAMON is still on after SIG$signal"
    same "SIG$signal left other settings than were found"
done
unstage
