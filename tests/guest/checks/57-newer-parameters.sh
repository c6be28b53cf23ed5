# what Linux 6.16 to 7.3 brought is set by options, takes effect, and is put back: probes, pauses, removal of single targets
# kernel: newest
# limit: 200
context=$DAMON/0/contexts/0
probes=$context/monitoring_attrs/probes
damo start --refresh_stat 200 --probe --probe_filter allow anon --probe --probe_filter reject none memcg / allow memcg / \
    --ops paddr || fail "options of newer kernels are not taken"
expect "the files are refreshed" "$(cat $DAMON/0/refresh_ms)" = 200
expect "there are two probes" "$(cat $probes/nr_probes)" = 2
expect "the first is for anonymous pages" "$(cat $probes/0/filters/0/type)" = anon
expect "the second has two filters" "$(cat $probes/1/filters/nr_filters)" = 2
damo status --json >status.json || fail "status fails"
damo tune --pause_ctx 0 || fail "it cannot be paused"
expect "it is paused" "$(cat $context/pause)" = Y
damo tune --pause_ctx || fail "it does not go on"
expect "it goes on" "$(cat $context/pause)" = N
expect "the probes stay" "$(cat $probes/nr_probes)" = 2
damo stop || fail "stop fails"

# The words that a kernel does not take are told; this one is of no release so far.
damo start --damos_action stat --damos_quota_interval 1s --damos_quota_goal hugepage_mem_bp 1% --ops paddr >said 2>&1 &&
    note "hugepage_mem_bp is taken" && damo stop
damo start --ops paddr --probe --probe --probe --probe --probe >said 2>&1 && note "five probes are taken" && damo stop

# Two kdamonds on one command line.
ram=$(awk -F'[- ]' '/System RAM/ { s = $1; e = $2 } END { print s " " e }' /proc/iomem)
start=$((0x${ram% *})) end=$((0x${ram#* }))
middle=$(((start + end) / 2 / 4096 * 4096))
damo start --kdamond --damon_ctx --ops paddr --damon_target -r $start-$middle --damos_scheme --damos_action stat \
    --kdamond --damon_ctx --ops paddr --damon_target -r $middle-$end --damos_scheme --damos_action stat ||
    fail "two kdamonds do not start"
expect "both are on" "$(cat $DAMON/0/state $DAMON/1/state | tr '\n' ' ')" = "on on "
expect "the second has its range" "$(cat $DAMON/1/contexts/0/targets/0/regions/0/start)" = $middle
damo stop || fail "two are not stopped"

# A single target is removed; the other one goes on.
start_workload steady
sleep 60 &
other=$!
damo start $other "$pid" || fail "two processes cannot be monitored"
damo tune --obsolete_targets 0 || fail "a target cannot be removed"
expect "one is left" "$(cat $context/targets/nr_targets)" = 1
expect "it is the other one" "$(cat $context/targets/0/pid_target)" = "$pid"
sleep 1
expect "it is still on" "$(cat $DAMON/0/state)" = on
damo stop || fail "stop fails"
kill $other

# A probe that was left with a weight would make the kernel count no access.
echo 1 >$DAMON/nr_kdamonds
echo 1 >$DAMON/0/contexts/nr_contexts
echo 1 >$probes/nr_probes
echo 1 >$probes/0/weight
damo-record "$pid" --timeout 5 -o plain.damo || fail "the recording did not come about"
is_complete plain.damo steady.truth
at_least "the bytes of the hot area, which a weight would hide" "$s_last_accessed" 5000000
expect "the weight is there again" "$(cat $probes/0/weight)" = 1
echo 0 >$DAMON/nr_kdamonds

# Where the kernel counts addresses in steps of eight bytes, the record has bytes.
damo-record paddr --damon_addr_unit 8 --timeout 6 -o unit.damo || fail "no recording with another unit of addresses"
is_complete unit.damo
at_least "the end of the last region" "$s_highest" "$middle"
at_most "the end of the last region" "$s_highest" $((8 * 1024 * 1024 * 1024))
at_least "bytes accessed in the last snapshots" "$s_last_accessed" 1000000

# Hits are recorded from the events, and from what is read.
damo-record paddr --probe --probe_filter allow anon --timeout 6 -o probes.damo || fail "no recording of probes"
is_complete probes.damo
damo-record paddr --probe --probe_filter allow anon --snapshot 1s 2 -o read.damo || fail "no snapshots with probes"
is_complete read.damo
# after-57-newer-parameters.sh looks for the hits in both.
cp probes.damo read.damo "$OUT/$NAME"
echo recorded >"$OUT/$NAME/result"
