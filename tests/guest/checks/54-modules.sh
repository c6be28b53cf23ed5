# the kernel's modules that use DAMON are shown, set and switched; a value that is refused changes nothing
# kernel: 6.12 newest
params=/sys/module/damon_reclaim/parameters
if [ ! -e $params ]; then
    refused damo reclaim enable
    says "damon_reclaim cannot be used" CONFIG_DAMON_RECLAIM
    exit 0
fi
damo module >modules || fail "modules are not shown"
grep -q "^damon_reclaim: not enabled" modules || fail "damon_reclaim is not shown: $(cat modules)"
damo module reclaim enable min_age=30s quota_sz=8M || fail "damon_reclaim cannot be enabled"
expect "it runs with what was set" "$(cat $params/enabled) $(cat $params/min_age) $(cat $params/quota_sz)" = "Y 30000000 8388608"
damo status >said || fail "status fails while a module runs"
says "module damon_reclaim: enabled"
damo reclaim set min_age=45s || fail "a running module takes no parameters"
expect "it was committed" "$(cat $params/commit_inputs) $(cat $params/min_age)" = "N 45000000"
refused damo reclaim set wmarks_high=20% min_ages=1s
says "there is no such parameter" min_age
refused damo reclaim set min_age=soon
says "'soon' is not a time"
refused damo reclaim set nr_quota_exceeds=1
says "cannot be set"
expect "nothing was changed" "$(cat $params/min_age)" = 45000000
damo reclaim disable || fail "damon_reclaim cannot be disabled"
expect "it is off" "$(cat $params/enabled)" = N
if [ -e /sys/module/damon_stat ]; then
    damo module stat enable || fail "damon_stat cannot be enabled"
    sleep 3
    damo status >said || fail "status fails while damon_stat runs"
    says "module damon_stat: enabled" "idle memory: 0 %"
    damo module stat disable || fail "damon_stat cannot be disabled"
fi
