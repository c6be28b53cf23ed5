# intervals are tuned where the kernel can do that (6.15 and later); elsewhere it is refused before anything is changed
# kernel: 6.12 newest
start_workload steady
settings >before
damo features unsupported | tee features
if kernel_has monitoring_attrs/intervals/intervals_goal; then
    grep -q intervals_goal features && fail "damo features does not know that it is there"
    # The goal of accesses is far above what this workload reaches with the shortest interval: longer ones must follow.
    damo-record "$pid" --monitoring_intervals_goal 50% 3 5ms 500ms --timeout 8 -o tuned.damo 2>said || fail "the recording did not come about"
    cat said
    is_complete tuned.damo
    expect "the intervals change, and each change is told" "$s_interval_changes" -ge 1
    at_least "the last sampling interval in us" "$s_last_sample_us" 5001
    at_most "the last sampling interval in us" "$s_last_sample_us" 500000
    note "from 5 ms to $s_last_sample_us us in $s_interval_changes steps"
    if [ ! -e $TRACING/events/damon/damon_monitor_intervals_tune ]; then
        # To a kdamond of others nothing is written, so that it is not told there.
        damo start --monitoring_intervals_goal 50% 3 5ms 500ms "$pid" || fail "does not start"
        damo-record --timeout 3 -o others.damo 2>said || fail "the recording did not come about"
        says "Nothing is written to a kdamond of others"
        damo stop || fail "does not stop"
    fi
    cp tuned.damo "$OUT/$NAME"
else
    for wish in --monitoring_intervals_autotune "--monitoring_intervals_goal 4% 3 5ms 10s"; do
        damo-record "$pid" $wish --timeout 1 -o none.damo 2>said
        code=$?
        cat said
        expect "the exit code" "$code" = 2
        grep -q "tuning of intervals .*intervals_goal.*Linux 6\.15" said || fail "the message does not name what is missing, and the release that has it"
        expect "no record is begun" -z "$(ls | grep none)"
    done
    grep -qi "interval" features || fail "damo features does not tell of it"
fi
settings >after
cmp before after || { diff before after; fail "settings changed"; }
