# quotas hold: 10 ms and 100 MB each second, and a size that is short; without one all goes at once
# limit: 150
start_workload steady
sleep 2
rss=$(memory_of "$pid" VmRSS)
# CPU time of the kdamond in ms, which is more than what is charged to the scheme.
busy_ms() { awk '{printf "%.0f", $1 / 1e6}' "/proc/$kdamond/schedstat"; }

# 512 KiB each second: in no window may it be more than its seconds allow, and one more begun.
damo start --damos_access_rate 0% 0% --damos_age 500ms max --damos_action pageout "$pid" --damos_quotas 0 512K 1s 0 1 1 ||
    fail "does not start"
sleep 2
for window in 1 2 3; do
    tell
    tried=$(told sz_tried) began=$(uptime_now)
    sleep 3
    tell
    seconds=$(echo "$(uptime_now) $began" | awk '{print $1 - $2}')
    at_most "bytes tried in window $window" $(($(told sz_tried) - tried)) "$(echo "$seconds" | awk '{print ($1 + 1) * 524288}')"
done
expect "the quota was short" "$(told qt_exceeds)" -ge 3
expect "the quota in effect is told" "$(told effective_sz_bytes)" = 524288
expect "something is paged out" "$(told sz_applied)" -gt 0
damo status

# How busy the kdamond is with looking alone.
damo tune --schemes '[]' || fail "schemes cannot be taken away"
kdamond=$(cat $DAMON/0/pid)
sleep 1
was=$(busy_ms)
sleep 5
looking=$((($(busy_ms) - was) / 5))

# 10 ms and 100 MB, as in the talk. The first slice is a guess of the kernel's; from then on it knows its speed.
damo tune --damos_access_rate 0% 0% --damos_age 500ms max --damos_action pageout --damos_quotas 10ms 100M 1s 0 1 1 ||
    fail "cannot be tuned"
sleep 4
tell
was=$(busy_ms) tried=$(told sz_tried) began=$(uptime_now)
sleep 8
tell
seconds=$(echo "$(uptime_now) $began" | awk '{print $1 - $2}')
acting=$(echo "$(busy_ms) $was $seconds $looking" | awk '{printf "%.1f", ($1 - $2) / $3 - $4}')
at_most "bytes tried each second" "$(echo "$(told sz_tried) $tried $seconds" | awk '{print ($1 - $2) / $3}')" 104857600
at_most "milliseconds of acting each second" "$acting" 12
slow=$(told sz_applied)
expect "most of it is still there" "$(memory_of "$pid" VmRSS)" -gt $((rss / 3))

# Without a quota.
damo tune --damos_access_rate 0% 0% --damos_age 500ms max --damos_action pageout || fail "cannot be tuned"
wait_for 20 sh -c "[ \$(awk '/VmRSS/ {print \$2}' /proc/$pid/status) -lt $((rss / 2048)) ]"
damo stop || fail "does not stop"
note "acting took $acting ms each second, looking $looking; $((slow >> 10)) KiB went in 12 s of it"
