# with physical memory the CPU time of the whole machine is sampled: of a program that runs already and of one that begins later,
# each with the functions that it ran
# kernel: 6.12 newest
# limit: 300
damo-workload --phases early.log --phase_time 8000 &
early=$!
usleep 1000000
start_record paddr --profile --timeout 250 -o all.damo
wait_for 200 sh -c "! kill -0 $early"
damo-workload --phases late.log --phase_time 4000 || fail "the workload fails"
kill -INT $recorder
end_record 30
expect "the recorder ends well" "$code" = 0
grep -q 'samples of CPU time' record.log || fail "the recorder does not say how many samples there are"
is_complete all.damo
expect "there are snapshots of DAMON" "$s_snapshots" -ge 20
for log in early.log late.log; do
    score_profile all.damo $log
    expect "nothing is lost" "$profile_lost" = 0
    at_least "the least share of a phase's samples in its function" "$least_share" 0.95
    # One of the two programs began before the recording did.
    at_least "samples of each that the CPU time gives, of $log" "$(awk "BEGIN { print $profile_samples / $profile_expected }")" 0.4
    at_most "samples of each that the CPU time gives, of $log" "$(awk "BEGIN { print $profile_samples / $profile_expected }")" 1.2
    note "$log: $profile_samples of $profile_expected samples, at least $least_share of each phase in its function"
done
