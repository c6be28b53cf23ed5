# two processes in one record: each one's phases are found in its own target
start_workload zigzag
first=$pid
start_workload stairs
start_record "$first" "$pid" -o two.damo
wait "$first" "$pid"
end_record 10
expect "the recorder ends well when both targets are gone" "$code" = 0
is_complete two.damo zigzag.truth
expect "there are two targets" "$s_targets" = 2
expect "no event is lost" "$s_lost" = 0
at_least "precision of the first" "$s_precision" 0.9
at_least "recall of the first" "$s_recall" 0.9
noted="first $s_precision and $s_recall"
score two.damo stairs.truth
at_least "precision of the second" "$s_precision" 0.9
at_least "recall of the second" "$s_recall" 0.9
note "precision and recall: $noted, second $s_precision and $s_recall"
