# a child whose parent ends at once after the fork is followed: below a command, in a new session; below a process, by its session
# limit: 200
mkfifo never
damo-record -o command.damo -- sh -c "exec 3<>never; read -t 2.3 x <&3
    setsid damo-workload -q '$CONFIGS/zigzag.cfg' --truth command.truth 3<&- & exit 5" 2>said
code=$?
cat said
expect "the exit code is the command's" "$code" = 5
grep -q '"end"' command.truth || fail "the recording ended before the orphan"
is_complete command.damo command.truth
expect "it has snapshots" "$s_target_snapshots" -ge 5
at_least "recall of the orphan" "$s_recall" 0.9

# The command is over at once, before DAMON is on.
damo-record -o daemon.damo -- sh -c "setsid damo-workload -q '$CONFIGS/zigzag.cfg' --truth daemon.truth & exit 6" 2>said
code=$?
cat said
expect "the exit code is the command's" "$code" = 6
is_complete daemon.damo daemon.truth
at_least "recall of what went into the background at once" "$s_recall" 0.9

# Two processes that are there already; the first leaves an orphan, the second lives on.
start_workload steady
second=$pid
setsid sh -c "exec 3<>never; read -t 4.3 x <&3
    damo-workload -q '$CONFIGS/zigzag.cfg' --truth given.truth 3<&- & exit 0" &
first=$!
sleep 0.3
start_record $first $second -o given.damo
wait_for 40 grep -q '"end"' given.truth
kill -9 $second
end_record 30
is_complete given.damo given.truth
expect "three targets" "$s_target_pids" = 3
at_least "recall of the orphan" "$s_recall" 0.9

# Alone: DAMON ends with its last target, and is switched on again for the orphan.
setsid sh -c "exec 3<>never; read -t 3.3 x <&3
    damo-workload -q '$CONFIGS/zigzag.cfg' --truth alone.truth 3<&- & exit 0" &
start_record $! -o alone.damo
wait_for 40 grep -q '"end"' alone.truth
end_record 30
is_complete alone.damo alone.truth
expect "two targets" "$s_target_pids" = 2
at_least "recall of the orphan of a sole target" "$s_recall" 0.9
grep -q 'started again' record.log || fail "that DAMON ended is not told"
