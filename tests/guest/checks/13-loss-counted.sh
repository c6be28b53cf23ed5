# events lost in a tiny ring, or to a recorder that stands still, are counted to the last one and reported
start_workload large

# counted NAME: what is in the record and what it says is lost are together what the kernel's own trace buffer has, and the
# summary says the same.
counted() {
    entries=$(cat "$traced"/per_cpu/cpu*/stats | awk '/^entries:/ {n += $2} END {print n}')
    missed=$(cat "$traced"/per_cpu/cpu*/stats | awk '/^overrun:|^commit overrun:|^dropped events:/ {n += $NF} END {print n}')
    end_trace
    expect "the kernel's own buffer has all events" "$missed" = 0
    is_complete "$1"
    expect "losses are in the record" "$s_lost" -gt 0
    expect "snapshots with a loss are marked" "$s_partial" -gt 0
    expect "events recorded and events lost are all that the kernel made" $((s_regions + s_lost)) = "$entries"
    said=$(sed -n 's/^.*lost \([0-9,]*\) events.*/\1/p' record.log | tr -d ,)
    expect "the recorder tells of the loss" "$said" = "$s_lost"
}

trace_events tiny 65536
start_record "$pid" -n 1000 -m 2000 -s 5000 -a 10000 --ring_size 4K --timeout 6 -o tiny.damo
end_record 30
expect "the recorder ends well after its time" "$code" = 0
counted tiny.damo
grep -q 'ring_size' record.log || fail "the recorder does not say what would help"
note "a ring of 4 KiB: $s_regions events recorded and $s_lost lost, $s_partial partial snapshots of $s_snapshots"

trace_events still 65536
start_record "$pid" -n 1000 -m 2000 -s 5000 -a 10000 --timeout 9 -o still.damo
wait_for 45 damon_is_on
sleep 1
# The ring holds about a second of this.
kill -STOP "$recorder"
sleep 5
kill -CONT "$recorder"
end_record 30
expect "the recorder ends well after its time" "$code" = 0
counted still.damo
expect "what came before and after is complete" "$s_partial" -lt "$s_snapshots"
note "stopped for 5 s: $s_regions and $s_lost, $s_partial of $s_snapshots"
