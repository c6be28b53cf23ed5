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
score all.damo
expect "the record is complete" "$s_finished" = 1
expect "nothing in the record is damaged" "$s_damage" = 0
expect "there are snapshots of DAMON" "$s_snapshots" -ge 20
for log in early.log late.log; do
    damo-score all.damo --phases $log >profile.txt || fail "damo-score cannot judge the profile"
    cat profile.txt
    samples=$(sed -n 's/^profile_samples=//p' profile.txt)
    expected=$(sed -n 's/^profile_expected=//p' profile.txt)
    share=$(sed -n 's/^profile_least_share=//p' profile.txt)
    expect "nothing is lost" "$(sed -n 's/^profile_lost=//p' profile.txt)" = 0
    at_least "the least share of a phase's samples in its function" "$share" 0.95
    # One of the two programs began before the recording did.
    at_least "samples of each that the CPU time gives, of $log" "$(awk "BEGIN { print $samples / $expected }")" 0.4
    at_most "samples of each that the CPU time gives, of $log" "$(awk "BEGIN { print $samples / $expected }")" 1.2
    note "$log: $samples of $expected samples, at least $share of each phase in its function"
done
