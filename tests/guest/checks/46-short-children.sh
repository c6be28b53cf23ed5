# children that are gone before DAMON has taken them do not end the recording, though they end DAMON on this kernel
start_record -o short.damo --timeout 14 -- sh -c "
    damo-workload -q --nr_accesses_per_region 2442 --rest 200 --truth work.truth '$CONFIGS/steady.cfg' & work=\$!
    while [ ! -e stop ]; do sleep 1.1 & sleep 1.3 & sleep 0.05 & sleep 0.3; done
    kill \$work"
wait_for 40 grep -q 'time is over' record.log
touch stop
end_record 30
expect "the command's end is well" "$code" = 0
is_complete short.damo work.truth
span=$(awk "BEGIN { print ($s_last_ns - $s_first_ns) / 1e9 }")
at_least "seconds from the first snapshot to the last" "$span" 12
at_least "snapshots of who lives long" "$s_target_snapshots" 60
note "$span s, $s_target_pids targets, $s_snapshots snapshots; $s_target_snapshots of who lives long"
grep -q 'started again' record.log || note "no child was gone at the wrong moment"

