# status tells what runs, as text, as JSON that is read back, again and again, with tried regions and kernel modules
# kernel: 6.12 newest
start_workload steady
sleep 1
damo start --damos_access_rate 0% 0% --damos_age 1s max --damos_action stat --damos_apply_interval 500ms \
    "$pid" --damos_quotas 10ms 100M 1s || fail "does not start"
sleep 4
damo status --tried_regions | tee status.txt
for word in "kdamond 0: on" "started by .damo start." "vaddr" "process $pid" "scheme 0: stat" "10 ms and 100" "tried" "region"; do
    grep -q "$word" status.txt || fail "the text does not tell: $word"
done
expect "no line is longer than a terminal" "$(awk 'length > 80' status.txt | wc -l)" = 0
tell --tried_regions
echo "$told_json" >status.json
expect "regions were tried" "$(told nr_tried)" -gt 0
expect "tried regions add up" "$(told total_bytes)" = "$(awk '
    /"tried_regions"/ {on = 1}
    on && /"start"/ {gsub(/[^0-9]/, ""); start = $0}
    on && /"end"/ {gsub(/[^0-9]/, ""); sum += $0 - start}
    END {printf "%.0f", sum}' status.json)"
# What status writes is read as parameters, which a reader of half JSON could not.
damo args --kdamonds status.json >again.json || fail "the JSON is not read back"
grep -q '"stat"' again.json || fail "the scheme got lost on the way"
damo status --watch 200ms --json >lines.txt &
watcher=$!
wait_for 10 sh -c '[ "$(grep -c "^{.*}$" lines.txt)" -ge 3 ]'
kill $watcher
damo status --watch 100ms | head -3 >/dev/null # ends when nobody reads any more
damo stop || fail "does not stop"
echo Y >/sys/module/damon_reclaim/parameters/enabled || fail "damon_reclaim cannot be enabled"
sleep 1
damo status | tee status.txt
damo status --json >status.json
echo N >/sys/module/damon_reclaim/parameters/enabled
grep -q "^module damon_reclaim: enabled" status.txt || fail "the module is not shown"
grep -q min_age status.txt || fail "its parameters are not shown"
grep -q '"module": "damon_reclaim"' status.json || fail "the module is not in the JSON"
