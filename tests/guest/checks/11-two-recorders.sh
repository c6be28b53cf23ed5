# two recorders at once: neither disturbs the other, and each has its own process in its record or says why not
# limit: 200
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

# Both at the very same time: who comes first is open, but nobody may record the other's process.
start_workload steady
steady=$pid
start_workload large
large=$pid
# While it goes through its memory for the first time, it accesses each page once, which is not hot: it uses 150 MB in the end.
wait_for 60 sh -c "[ \$(awk '/^VmRSS/ {print \$2}' /proc/$large/status) -gt 140000 ]"
both=0
for i in 1 2 3 4 5 6 7 8; do
    damo-record "$steady" --timeout 3 -o steady.damo 2>steady.log &
    one=$!
    damo-record "$large" --timeout 3 -o large.damo 2>large.log &
    other=$!
    recorded=0
    for name in steady large; do
        if [ $name = steady ]; then wait $one; else wait $other; fi
        code=$?
        if [ $code = 0 ]; then
            is_complete $name.damo $name.truth
            # None of what is busy in one process is at an address of the other.
            at_least "precision of $name, start $i" "$s_precision" 0.5
            recorded=$((recorded + 1))
        else
            grep -q "DAMON is busy: kdamond 0 (thread [0-9]*) is of a recording (process [0-9]*, to .*)" $name.log ||
                fail "start $i: $name does not say what stands in its way: $(cat $name.log)"
        fi
        rm -f $name.damo
    done
    expect "one of them recorded, start $i" $recorded -ge 1
    [ $recorded = 2 ] && both=$((both + 1))
    expect "DAMON is as it was found" "$(cat $DAMON/nr_kdamonds)" = 0
done
note "of 8 starts at the same time $both recorded both, one after the other"
