# quotas hold: a short one in bytes, and 10 ms with 100 MB each second; without one all goes at once
# limit: 240
start_workload steady
sleep 2
rss=$(memory_of "$pid" VmRSS)
# CPU time of the kdamond in ms: looking and acting.
busy_ms() { awk '{printf "%.0f", $1 / 1e6}' "/proc/$kdamond/schedstat"; }
# window SECONDS: what is done in this time, as $bytes (tried), $seconds and $busy (ms each second).
window() {
    tell
    was=$(busy_ms) tried=$(told sz_tried) began=$(uptime_now)
    sleep "$1"
    tell
    seconds=$(echo "$(uptime_now) $began" | awk '{print $1 - $2}')
    bytes=$(($(told sz_tried) - tried))
    busy=$(echo "$(busy_ms) $was $seconds" | awk '{printf "%.1f", ($1 - $2) / $3}')
    echo "window of $seconds s: $bytes bytes tried, kdamond $busy ms a second, quota $(told effective_sz_bytes)"
}

# For its first reset interval this kernel's quota is none: at first nothing is old enough. Few regions, looked at seldom,
# so that looking costs about the same all the time.
damo start -s 50ms -a 500ms -n 10 -m 20 --damos_access_rate 0% 0% --damos_age 1h max --damos_action pageout "$pid" \
    --damos_quotas 0 512K 1s 0 1 1 || fail "does not start"
kdamond=$(cat $DAMON/0/pid)
sleep 2
window 4
looking=$busy
expect "nothing is old enough" "$bytes" = 0

# In no window may it be more than its seconds allow, and one more begun.
damo tune --damos_age 1s max || fail "cannot be tuned"
for nth in 1 2 3; do
    window 3
    at_most "bytes tried in window $nth" "$bytes" "$(echo "$seconds" | awk '{print ($1 + 1) * 524288}')"
done
expect "the quota was short" "$(told qt_exceeds)" -ge 3
expect "the quota in effect is told" "$(told effective_sz_bytes)" = 524288
expect "something is paged out" "$(told sz_applied)" -gt 0
expect "most is still there" "$(memory_of "$pid" VmRSS)" -gt $((rss * 7 / 10))
damo status

# 10 ms and 100 MB, as in the talk. How much goes in 10 ms the kernel knows after some small slices.
damo tune --damos_quota_time 10ms || fail "cannot be tuned"
sleep 4
damo tune --damos_quota_space 100M || fail "cannot be tuned"
sleep 2
# The CPU time of a guest on a busy host has what the host took from it: the least of some windows has least of that.
acting=1000
for _ in 1 2 3; do
    window 4
    at_most "bytes tried each second" "$(echo "$bytes $seconds" | awk '{print $1 / $2}')" 104857600
    effective=$(told effective_sz_bytes)
    expect "the shorter of the two is in effect" "$effective" -lt 104857600
    at_most "bytes tried, where the quota in effect varies a little" "$bytes" "$(echo "$seconds $effective" | awk '{print ($1 + 1) * $2 * 1.5}')"
    acting=$(echo "$busy $looking $acting" | awk '{printf "%.1f", $1 - $2 < $3 ? $1 - $2 : $3}')
done
at_most "milliseconds of acting each second" "$acting" 20
damo status

# Without a quota.
damo tune --damos_quotas 0 0 1s || fail "cannot be tuned"
wait_for 60 sh -c "[ \$(awk '/VmRSS/ {print \$2}' /proc/$pid/status) -lt $((rss / 2048)) ]"
damo stop || fail "does not stop"
note "acting took $acting ms each second beside $looking of looking"
