# a recorder that is killed loses no more than the last two seconds: blocks are finished that often
# limit: 150
start_workload steady

# The record's clock runs as /proc/uptime does on a machine that never slept. What is compared is the moment right after
# kill -9 and the end of the last snapshot that can be read; the first is known to 10 ms. On the way, the file must have
# grown every two seconds.
worst=0 most=0
for nth in 1 2 3 4; do
    file=kill$nth.damo
    start_record "$pid" -q -o $file
    wait_for 45 damon_is_on
    wait_for 45 test -s $file.part
    # Anywhere within a block, elsewhere each time; but every other one when the file has not grown for long, so that there
    # is much to lose.
    life=$((220 + nth * 31 + $(od -An -N1 -tu1 /dev/urandom) / 2)) hunger=$((nth % 2 * 135))
    began=$(uptime_now | tr -d .) size=$(stat -c %s $file.part)
    now=$began grown=$began
    while [ $((now - began)) -lt $life ] || [ $((now - grown)) -lt $hunger -a $((now - began)) -lt 1000 ]; do
        usleep 30000
        now=$(uptime_now | tr -d .) is=$(stat -c %s $file.part)
        [ $((now - grown)) -le "$most" ] || most=$((now - grown))
        [ "$is" = "$size" ] || { size=$is grown=$now; }
    done
    kill -9 "$recorder"
    killed=$(uptime_now)
    wait "$recorder" 2>/dev/null
    damo-record --stop_stale || fail "what was left on is not stopped"
    score $file.part
    expect "only the end of the file is missing" "$s_damage_before_the_end" = 0
    expect "there are snapshots" "$s_snapshots" -ge 5
    lost=$(awk "BEGIN { printf \"%.2f\", $killed - $s_last_ns / 1e9 }")
    echo "killed at $killed, lost the last $lost s"
    at_most "seconds lost to a kill" "$lost" 2
    at_least "seconds lost to a kill" "$lost" 0
    worst=$(awk "BEGIN { print ($lost > $worst) ? $lost : $worst }")
done
note "at most $worst s lost, the file grew every $(echo $most | awk '{print $1 / 100}') s or sooner"
at_most "hundredths of a second in which the file did not grow" "$most" 200
