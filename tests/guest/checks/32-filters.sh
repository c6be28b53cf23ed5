# filters keep out what they must: a range of addresses, and anonymous memory; without them it goes
# limit: 150
# kernel: 6.12 newest
start_workload steady
sleep 2
find_area cold
start=$area_start size=$area_size
swapped() { memory_of "$pid" VmSwap; }
middle=$((start + size / 2))
pageout="--damos_access_rate 0% 0% --damos_age 500ms max --damos_action pageout"

# All but the first half of the cold area may go.
damo start $pageout "$pid" --damos_filter reject addr $start $middle || fail "does not start"
sleep 6
half=$(swapped)
at_least "the part of the cold area that is out without its first half" "$(echo "$half $size" | awk '{print $1 / $2}')" 0.3
at_most "the part of the cold area that is out without its first half" "$(echo "$half $size" | awk '{print $1 / $2}')" 0.55
damo status --tried_regions >status.txt
damo status --tried_regions --json >status.json
cat status.txt
grep -q "filter *reject addr" status.txt || fail "status does not show the filter"
damo stop || fail "does not stop"

# The same in the words of old, for the other half.
damo start $pageout "$pid" --damos_filter addr matching $start $middle || fail "does not start"
cat $DAMON/0/contexts/0/schemes/0/*filters/0/addr_end | grep -qx "$middle" || fail "the old grammar is not understood"
damo tune $pageout || fail "cannot be tuned"
wait_for 15 sh -c "[ \$(awk '/VmSwap/ {print \$2}' /proc/$pid/status) -gt $((size / 1024 * 8 / 10)) ]"
damo stop || fail "does not stop"
kill -9 "$pid"

# Pages are looked at one by one for physical addresses only; elsewhere the filter would be passed over.
start_workload steady
sleep 2
damo start $pageout "$pid" --damos_filter reject anon 2>refused && fail "a filter that is not looked at is taken"
cat refused
grep -q paddr refused || fail "the refusal does not say what to do"
damo start $pageout paddr --damos_filter reject anon || fail "does not start"
sleep 8
tell
kept=$(swapped)
expect "no anonymous page is paged out" "$kept" -lt 200000
expect "regions were tried" "$(told sz_tried)" -gt 10000000
damo tune $pageout || fail "cannot be tuned"
wait_for 20 sh -c "[ \$(awk '/VmSwap/ {print \$2}' /proc/$pid/status) -gt $((size / 1024 / 3)) ]"
damo stop || fail "does not stop"
note "$((half >> 20)) of $((size >> 20)) MiB went around the address filter, $((kept >> 10)) KiB around the anonymous one"
