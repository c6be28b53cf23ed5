# a child whose parent ends at once after the fork is followed: below a command, in a new session; below a process, by its session
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

# Alone it cannot be saved, but it is told.
setsid sh -c "exec 3<>never; read -t 3.3 x <&3; sleep 3 3<&- & exit 0" &
start_record $! -o alone.damo
end_record 30
grep -q 'The target has ended' record.log || fail "the end is not told"
grep -q 'child .* (sleep) .* damo record' record.log || fail "the child is not told"
true
