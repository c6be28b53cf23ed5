# what schemes are applied to is recorded with context and scheme: with schemes of the recording, and when attaching
# kernel: 6.12 newest
start_workload steady
sleep 1
schemes='[{"action": "stat", "access_pattern": {"nr_accesses": {"max": "0 %"}}},
          {"action": "stat", "access_pattern": {"nr_accesses": {"min": "5 %"}}}]'
start_record "$pid" --schemes "$schemes" --timeout 6 -o with.damo
end_record 20
is_complete with.damo
expect "two schemes are in the record" "$s_schemes" = 2
expect "the monitoring and both schemes are targets" "$s_targets" = 3
expect "no event is lost" "$s_lost" = 0
both=$s_snapshots
damo start --damos_action stat --damos_access_rate 0% 0% "$pid" || fail "does not start"
start_record --timeout 6 -o attached.damo
end_record 20
damo stop || fail "does not stop"
is_complete attached.damo
expect "the scheme of what runs is in the record" "$s_schemes" = 1
expect "beside the monitoring itself" "$s_targets" = 2
damo start "$pid" || fail "does not start"
start_record --timeout 9 -o added.damo
sleep 3
damo tune --damos_action stat --damos_access_rate 0% 0% || fail "does not tune"
end_record 25
damo stop || fail "does not stop"
is_complete added.damo
expect "so is one that was added later" "$s_schemes" = 1
damo-record "$pid" --timeout 4 -q -o without.damo
score without.damo
expect "without schemes there is none" "$s_schemes" = 0
cp with.damo attached.damo "$OUT/$NAME"
note "$both snapshots of monitoring and two schemes, $s_snapshots without"
