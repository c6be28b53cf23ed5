# two kdamonds whose targets have the same id are kept apart
start_workload zigzag
first=$pid
start_workload stairs
kdamond() {
    echo "{\"state\": null, \"pid\": null, \"contexts\": [{\"ops\": \"vaddr\", \"targets\": [{\"pid\": $1, \"regions\": []}],
        \"intervals\": {\"sample_us\": \"5 ms\", \"aggr_us\": \"100 ms\", \"ops_update_us\": \"1 s\"},
        \"nr_regions\": {\"min\": \"10\", \"max\": \"1,000\"}, \"schemes\": []}]}"
}
echo "{\"kdamonds\": [$(kdamond "$first"), $(kdamond "$pid")]}" >kdamonds.json
start_record --kdamonds kdamonds.json -o equal.damo
wait "$first" "$pid"
end_record 15
expect "the recorder ends well when both targets are gone" "$code" = 0
is_complete equal.damo zigzag.truth
expect "there are two targets" "$s_targets" = 2
expect "of two kdamonds" "$s_kdamonds" = 2
expect "with one target id" "$s_target_ids" = 1
at_least "precision of the first" "$s_precision" 0.9
at_least "recall of the first" "$s_recall" 0.9
score equal.damo stairs.truth
at_least "precision of the second" "$s_precision" 0.9
at_least "recall of the second" "$s_recall" 0.9
