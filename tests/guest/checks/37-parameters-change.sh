# parameters changed during a recording count from their commit on, by hand and by damo tune; what is only staged does not
# kernel: 6.12 newest
start_workload steady
intervals=$DAMON/0/contexts/0/monitoring_attrs/intervals
someone_else_starts
start_record --timeout 13 -o by-hand.damo
sleep 3
echo 35000 >$intervals/sample_us
echo 700000 >$intervals/aggr_us
# Other commands, and one that is refused, are no commit.
echo update_schemes_stats >$DAMON/0/state
(echo nonsense >$DAMON/0/state) 2>refused && fail "the kernel takes nonsense"
sleep 3
before=$(uptime_now)
echo commit >$DAMON/0/state
committed=$(uptime_now)
end_record 30
is_complete by-hand.damo
expect "the intervals change once, and that is told" "$s_interval_changes $s_params" = "1 2"
expect "to the new ones" "$s_last_sample_us $s_last_aggregation_us" = "35000 700000"
# Up to 6.13 the kernel takes new intervals over at the end of an aggregation, which it reports in their terms. Later ones
# do so at the next sample, and begin an aggregation of the new length, 0.7 s, there.
case $(uname -r) in 6.[0-9].* | 6.1[0-3].*) latest=0.1 ;; *) latest=1.3 ;; esac
expect "no aggregation is shorter than its interval, but that one" "$s_too_short" -le 1
changed=$(awk "BEGIN {print $s_changed_ns / 1e9}")
at_least "the first snapshot with them is of the commit: it" "$changed" "$(awk "BEGIN {print $before - 0.1}")"
at_most "the first snapshot with them is of the commit: it" "$changed" "$(awk "BEGIN {print $committed + $latest}")"
echo off >$DAMON/0/state
echo 0 >$DAMON/nr_kdamonds

damo start "$pid" || fail "does not start"
start_record --timeout 9 -o tuned.damo
sleep 2
damo tune -s 10ms || fail "does not tune"
sleep 2
damo tune -m 500 || fail "does not tune"
end_record 25
damo stop || fail "does not stop"
is_complete tuned.damo
expect "the sampling interval alone changes, once" "$s_interval_changes $s_last_sample_us $s_last_aggregation_us" = "1 10000 100000"
expect "and each change of parameters is told" "$s_params" = 3

start_record "$pid" --timeout 9 -o own.damo
wait_for 20 damon_is_on
sleep 2
damo tune --adopt -a 500ms || fail "does not tune what the recorder started"
end_record 30
is_complete own.damo
expect "so it is with a kdamond of our own" "$s_interval_changes $s_params $s_last_aggregation_us" = "1 2 500000"
cp by-hand.damo tuned.damo own.damo "$OUT/$NAME"
