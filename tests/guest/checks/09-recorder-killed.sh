# a recorder killed at twenty random moments leaves every finished block readable, and the next run says what was left on
# limit: 200
start_workload steady
readable=0 most=0
for i in $(seq 20); do
    start_record "$pid" --stop_stale -o "run$i.damo"
    usleep $(($(od -An -N2 -tu2 /dev/urandom) * 90))
    kill -9 "$recorder" 2>/dev/null
    wait "$recorder" 2>/dev/null
    for file in "run$i.damo" "run$i.damo.part"; do
        [ -s "$file" ] || continue
        score "$file"
        expect "only the end of the file is missing" "$s_damage_before_the_end" = 0
        [ "$s_snapshots" -gt 0 ] && readable=$((readable + 1))
        [ "$s_snapshots" -gt "$most" ] && most=$s_snapshots
        break
    done
done
expect "some of the killed recordings lived long enough to have snapshots" "$readable" -ge 3
if damon_is_on; then
    damo-record "$pid" --timeout 1 -o next.damo 2>next.log </dev/null
    cat next.log
    grep -qi kdamond next.log || fail "the next run does not say that a kdamond was left on"
fi
damo-record "$pid" --stop_stale --timeout 1 -o last.damo
is_complete last.damo
note "$readable of 20 had snapshots, at most $most"
