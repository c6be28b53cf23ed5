# nothing is lost at a thousand regions and 10 ms aggregation
start_workload large
start_record "$pid" -n 1000 -m 2000 -s 5000 -a 10000 --timeout 10 -o fast.damo
end_record 30
expect "the recorder ends well after its time" "$code" = 0
is_complete fast.damo
expect "there are a thousand regions" "$s_max_regions" -ge 1000
expect "no event is lost" "$s_lost" = 0
expect "no snapshot but the last is partial" "$s_partial" -le 1
note "$s_regions regions in $s_snapshots snapshots, $s_bytes_per_region bytes per region"
