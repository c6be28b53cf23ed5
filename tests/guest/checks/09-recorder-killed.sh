# a recorder killed at any moment leaves every finished block readable, and the next run says what was left on
# limit: 260
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
damo-record "$pid" --stop_stale --timeout 1 -o last.damo
is_complete last.damo
expect "DAMON is as it was found" "$(cat $DAMON/nr_kdamonds)" = 0

# The moment at which DAMON goes on: its thread may not be noted yet.
unnoted=0
for i in $(seq 12); do
    start_record "$pid" -o "on$i.damo"
    state=off looks=0
    while [ "$state" != on ] && [ $looks -lt 100000 ]; do
        { read -r state <$DAMON/0/state; } 2>/dev/null
        looks=$((looks + 1))
    done
    kill -9 "$recorder"
    wait "$recorder" 2>/dev/null
    expect "DAMON is still on after the kill" "$(cat $DAMON/0/state)" = on
    grep -q '"thread":null' /run/damo/record-* && unnoted=$((unnoted + 1))
    damo-record "$pid" --timeout 1 -o next.damo 2>next.log </dev/null && fail "the next run goes on as if nothing was on"
    grep -q "a recording that was killed (process $recorder, .*) left kdamond 0 (thread $(cat $DAMON/0/pid)) on" next.log ||
        fail "the next run does not say whose kdamond is on: $(cat next.log)"
    damo-record --stop_stale 2>stop.log || fail "it cannot be stopped: $(cat stop.log)"
    damon_is_on && fail "it was not stopped"
    expect "DAMON is as it was found" "$(cat $DAMON/nr_kdamonds)" = 0
done
note "$readable of 20 had snapshots, at most $most; $unnoted of 12 were killed before the thread was noted"
