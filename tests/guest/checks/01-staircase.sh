# a staircase recorded from a running process shows each of its phases where and when it really was
start_workload stairs
start_record "$pid" -o stairs.damo
wait "$pid"
ended=$(uptime_now)
end_record 10
complete=$(uptime_now)
expect "the recorder ends well when its target exits" "$code" = 0
is_complete stairs.damo stairs.truth
expect "all six phases are in the record" "$s_phases_seen" = 6
at_least "worst precision of a phase" "$s_worst_precision" 0.9
at_least "worst recall of a phase" "$s_worst_recall" 0.9
expect "no event is lost" "$s_lost" = 0
expect "mappings are recorded" "$s_mappings" -ge 1
expect "memory footprints are recorded" "$s_footprints" -ge 2
expect "CPU times are recorded" "$s_cpu_times" -ge 2
at_most "seconds from the target's exit to the complete file" "$(echo "$complete $ended" | awk '{print $1 - $2}')" 1.5
cp stairs.damo stairs.truth "$OUT/$NAME"
note "precision $s_precision, recall $s_recall, worst phase $s_worst_precision and $s_worst_recall"
