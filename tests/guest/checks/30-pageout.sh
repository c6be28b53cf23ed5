# the line of the talk pages out what a staircase leaves idle: its resident size falls by more than half, and it runs on
# limit: 270
cycle=45
ln -s "$(command -v damo-workload)" masim
./masim --quiet --repeat 100 --nr_accesses_per_region 2442 --rest 200 --truth turns.truth "$CONFIGS/turns.cfg" &
pid=$!
wait_for 90 grep -q 'begin.*step 14' turns.truth # by then, after 42 s, all of it is there
damo record $(pidof masim) --timeout $cycle -q -o before.damo &
before=$(mean_rss $pid $cycle)
wait $!
damo start --damos_access_rate 0% 0% --damos_age 5s max --damos_action pageout $(pidof masim) ||
    fail "the line does not start"
sleep 12 # more than the 5 s that a region must be idle
phases=$(grep -c begin turns.truth)
tell
tried=$(told sz_tried) applied=$(told sz_applied)
after=$(mean_rss $pid $cycle)
tell
damo status
swapped=$(memory_of $pid VmSwap)
damo stop || fail "it does not stop"
expect "the workload runs on" -e /proc/$pid/stat
expect "the workload goes from phase to phase" "$(grep -c begin turns.truth)" -ge $((phases + 5))
at_most "the resident size, as a part of what it was" "$(echo "$after $before" | awk '{print $1 / $2}')" 0.5
expect "the rest of it is in swap" "$swapped" -gt $((before / 4))
expect "at least what is gone was paged out" "$(told sz_applied)" -ge $((before - after))
expect "not more was paged out than was tried" "$(told sz_applied)" -le "$(told sz_tried)"
expect "not more regions were paged out than were tried" "$(told nr_applied)" -le "$(told nr_tried)"
expect "figures only grow" "$(told sz_tried)" -ge "$tried" -a "$(told sz_applied)" -gt "$applied"
kill -9 $pid
is_complete before.damo turns.truth
cp before.damo "$OUT/$NAME"
echo '[{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "5 s"}}}]' >"$OUT/$NAME/schemes.json"
printf 'rss_before_bytes=%s\nrss_after_bytes=%s\n' "$before" "$after" >"$OUT/$NAME/result"
note "$((before >> 20)) MiB resident before, $((after >> 20)) MiB with the scheme"
