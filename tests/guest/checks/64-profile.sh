# beside DAMON's snapshots the CPU time of a program is sampled: each phase in its own function, as many samples as its CPU time
# gives, of threads and children as well; root for others, users for their own as perf_event_paranoid allows
# kernel: 6.12 newest
# limit: 240
# A phase is as long as a slow guest needs to get anything done.
damo-record --profile -o profile.damo -- damo-workload --phases phases.log --phase_time 6000 --phase_threads 2 >record.out 2>record.log
code=$?
cat record.log
expect "the recorder ends well" "$code" = 0
grep -q 'samples of CPU time' record.log || fail "the recorder does not say how many samples there are"
is_complete profile.damo
expect "there are snapshots of DAMON" "$s_snapshots" -ge 20
score_profile profile.damo phases.log
expect "nothing is lost" "$profile_lost" = 0
# While the host does something else the guest's timer does not expire, and its process gets fewer samples than CPU time.
at_least "samples of each that the CPU time gives" "$(awk "BEGIN { print $profile_samples / $profile_expected }")" 0.4
at_most "samples of each that the CPU time gives" "$(awk "BEGIN { print $profile_samples / $profile_expected }")" 1.2
at_least "the least share of a phase's samples in its function" "$least_share" 0.95
ratio="$profile_samples of $profile_expected samples, at least $least_share of each phase in its function"

# A program that runs already, with threads: it is joined in the middle.
damo-workload --phases other.log --phase_time 6000 --phase_threads 2 &
pid=$!
usleep 3000000
start_record "$pid" --profile=199 --timeout 200 -o joined.damo
wait_for 200 sh -c "! kill -0 $pid"
end_record 30
expect "the recorder ends well" "$code" = 0
score_profile joined.damo other.log
# A slow guest needs seconds until it has joined: the first phases may have few samples or none, the last one has its own.
joined=$(awk -F'[: ]+' '/^# phase/ && $5 >= 50 { share = $3 / $5; if (!n++ || share < least) least = share } END { print least + 0 }' profile.txt)
last=$(sed -n 's/^# phase_jump: [0-9]* of \([0-9]*\) .*/\1/p' profile.txt)
at_least "the least share of a joined phase's samples in its function" "$joined" 0.95
at_least "samples of the last phase" "$last" "$(awk "BEGIN { print 0.5 * $profile_expected / 3 }")"

# What the kernel allows is asked for before anything starts.
rate=$(cat /proc/sys/kernel/perf_event_max_sample_rate)
echo 50 >/proc/sys/kernel/perf_event_max_sample_rate
damo-record --profile -o refused.damo -- touch begun 2>refused.log
code=$?
# Later checks take profiles as well.
echo "$rate" >/proc/sys/kernel/perf_event_max_sample_rate
cat refused.log
expect "as many samples as the kernel does not allow are refused" "$code" != 0
grep -q perf_event_max_sample_rate refused.log || fail "the refusal does not name what forbids it"
test ! -e begun || fail "the program was started although it cannot be profiled"
note "$ratio"
