# nothing is lost at a thousand regions and 10 ms aggregation, from the first snapshot on, in 32 MiB and 2 bytes a region
start_workload large
trace_events fast
start_record "$pid" -n 1000 -m 2000 -s 5000 -a 10000 --timeout 10 -o fast.damo
follow_recorder
note_birth
end_record 30
expect "the recorder ends well after its time" "$code" = 0
is_complete fast.damo
expect "there are a thousand regions" "$s_max_regions" -ge 1000
expect "no event is lost" "$s_lost" = 0
expect "no snapshot but the last is partial" "$s_partial" -le 1
first_snapshot
end_trace
# It is the first that the kernel reports, not the one after it. When that comes is only noted: before, the kernel cuts the
# memory into a thousand regions; 0.7 to 2.8 aggregations were seen.
at_most "aggregations between the kernel's first event and the first snapshot's end" "$first_off" 0.5
at_most "bytes per region" "$s_bytes_per_region" 2.0
at_most "KiB resident at most" "$(cat peak)" 32768
note "$s_regions regions in $s_snapshots snapshots, $s_bytes_per_region bytes per region, $(cat peak) KiB, first snapshot after $first_after aggregations"
