# two recorders at once: neither disturbs the other, and each has its own process in its record or says why not
start_workload zigzag
first=$pid
start_workload stairs
damo-record "$first" -o first.damo 2>first.log &
first_recorder=$!
sleep 2
damo-record "$pid" -o second.damo 2>second.log
second_code=$?
wait $first_recorder
first_code=$?
cat first.log second.log
expect "the first recorder ends well" $first_code = 0
is_complete first.damo zigzag.truth
at_least "recall of the first" "$s_recall" 0.9
if [ $second_code = 0 ]; then
    is_complete second.damo stairs.truth
    at_least "recall of the second" "$s_recall" 0.9
    note "both recorded"
else
    grep -qi kdamond second.log || fail "the second does not say what stands in its way"
    note "the second says why it cannot"
fi
