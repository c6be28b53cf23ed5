# where children are not followed it is said once, nothing is committed, and --snapshot ends with its target and says why
start_workload steady --children 1 --child-delay 3500
set -- $(sed -n 's/.*"region".*"name":"hot".*"start":\([0-9]*\),"end":\([0-9]*\).*/\1 \2/p' steady.truth)
start=$(($1 / 4096 * 4096)) end=$((($2 + 4095) / 4096 * 4096))
cat >fixed.json <<EOF
{"kdamonds": [{"contexts": [{"ops": "fvaddr", "targets": [{"pid": $pid, "regions": [{"start": "$start", "end": "$end"}]}],
 "intervals": {"sample_us": "5 ms", "aggr_us": "100 ms", "ops_update_us": "1 s"},
 "nr_regions": {"min": "10", "max": "1,000"}, "schemes": []}]}]}
EOF
start_record --kdamonds fixed.json --timeout 12 -o fixed.damo
wait_for 30 grep -q '"begin"' steady.truth.1
sleep 1.5
expect "the region given is still there" "$(cat $DAMON/0/contexts/0/targets/0/regions/nr_regions)" = 1
end_record 30
expect "it is said once that children are not followed" "$(grep -c 'not followed' record.log)" = 1
grep -q 'could not be added' record.log && fail "it was tried all the same"
is_complete fixed.damo
expect "one target" "$s_targets" = 1

damo-workload -q "$CONFIGS/steady.cfg" --truth brief.truth &
pid=$!
wait_for 10 grep -q begin brief.truth
start_record $pid --snapshot 60 2 -o brief.damo
wait_for 30 damon_is_on
sleep 1
kill -9 $pid
end_record 10
expect "it ends well" "$code" = 0
grep -q 'The target has ended' record.log || fail "the reason is not told"
grep -q 'No snapshot came' record.log || fail "it is not told that the record is empty"
grep -q 'does not follow children' record.log || fail "it is not told that children are not followed"
damon_is_on && fail "DAMON is on"
true
