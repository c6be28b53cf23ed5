# physical addresses: the busy memory of a process is found in RAM
# kernel: 6.12 newest
start_workload steady
sleep 2
start_record paddr --timeout 8 -o physical.damo
end_record 20
expect "the recorder ends well after its time" "$code" = 0
is_complete physical.damo
expect "there are enough snapshots" "$s_snapshots" -ge 30
expect "no event is lost" "$s_lost" = 0
expect "regions lie within the machine's memory" "$s_highest" -le $((8 * 1024 * 1024 * 1024))
at_least "bytes accessed in the last snapshots" "$s_last_accessed" 1000000
