# stop and failures leave DAMON as found, tune changes only what is named, and nobody else's kdamond is touched
# kernel: 6.12 newest
start_workload steady
sleep 1
somebody_stages

damo start --damos_action stat --damos_age 1s max --damos_quota_goal some_mem_psi_us 10ms --damos_quota_interval 1s "$pid" ||
    fail "does not start"
settings >started
damo tune -s 10ms || fail "cannot be tuned"
settings >tuned
expect "one setting changed" "$(diff started tuned | grep -c '^+[^+]')" = 1
grep -q 'sample_us:10000$' tuned || fail "the named one did not change"
damo stop || fail "does not stop"
same "stop left other settings than it found"

# The talk's line with JSON, as it stands there: physical memory, and natural bounds for what is missing.
damo start --schemes '[{"access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 m"}}, "action": "pageout"}]' ||
    fail "the line of the talk does not start"
expect "two minutes are 1200 aggregations" "$(cat $DAMON/0/contexts/0/schemes/0/access_pattern/age/min)" = 1200
expect "it is for physical memory" "$(cat $DAMON/0/contexts/0/operations)" = paddr
damo stop || fail "does not stop"
same "stop left other settings than it found"

# Refused before the first write.
if kernel_has schemes/0/stats/max_nr_snapshots; then
    damo start --damos_action stat --damos_max_nr_snapshots 5 "$pid" || fail "a largest number of snapshots is refused"
    expect "it is set" "$(cat $DAMON/0/contexts/0/schemes/0/stats/max_nr_snapshots)" = 5
    damo stop || fail "does not stop"
else
    damo start --damos_action migrate_hot 0 --damos_max_nr_snapshots 5 "$pid" 2>refused &&
        fail "a largest number of snapshots is taken, which this kernel does not have"
    cat refused
    grep -q 'scheme 0.*max_nr_snapshots.*7\.0' refused || fail "the refusal does not name scheme, field and release"
fi
same "settings changed"

# Refused by the kernel after everything was written: another user of DAMON's runs.
echo Y >/sys/module/damon_reclaim/parameters/enabled || fail "damon_reclaim cannot be enabled"
damo start --damos_action stat "$pid" 2>failed && fail "two users of DAMON at once are not possible"
echo N >/sys/module/damon_reclaim/parameters/enabled
cat failed
grep -q damon_reclaim failed || fail "the failure does not name what may be in the way"
same "a failed start left settings behind"
damo stop 2>nothing && fail "something was there to be stopped"

# Someone else's.
unstage
someone_else_starts
settings >found
for command in "start --damos_action pageout $pid" "tune -s 9ms" stop; do
    damo $command 2>refused && fail "damo $command touched somebody's kdamond"
    cat refused
    same "damo $command changed somebody's settings"
done
expect "somebody's kdamond still runs" "$(cat $DAMON/0/state)" = on
damo status
damo tune --adopt -s 9ms || fail "cannot be adopted"
expect "an adopted kdamond is changed" "$(cat $DAMON/0/contexts/0/monitoring_attrs/intervals/sample_us)" = 9000
damo stop --adopt || fail "cannot be adopted"
expect "an adopted kdamond is stopped" "$(cat $DAMON/0/state)" = off
unstage
