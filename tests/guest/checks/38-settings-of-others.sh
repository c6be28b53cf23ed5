# what a killed recorder set up is put back by the next one, but not by who only attaches, and not if it was changed since
start_workload steady
killed() {
    start_record "$pid" -o killed.damo
    wait_for 45 damon_is_on
    sleep 1
    kill -9 "$recorder"
    wait "$recorder" 2>/dev/null
    echo off >$DAMON/0/state # of the guest
    rm -f killed.damo*
}
somebody_stages
cp found before
killed
settings >found
damo-record --timeout 1 -o attached.damo 2>attached.log && fail "there is nothing to attach to"
cat attached.log
same "attaching changed settings"
damo-record "$pid" --timeout 1 -o next.damo || fail "the next recording fails"
cp before found
same "the next recording did not put back what the killed one had found"

killed
echo 7777 >$DAMON/0/contexts/0/monitoring_attrs/intervals/sample_us # of the guest
settings >found
damo-record "$pid" --timeout 1 -o last.damo 2>last.log || fail "the next recording fails"
cat last.log
grep -q "have been changed since" last.log || fail "it does not say that the settings are left"
same "settings that somebody staged since were overwritten"
damo-record "$pid" --timeout 1 -o last.damo 2>last.log || fail "the one after it fails"
grep -q "was killed" last.log && fail "the note is still there"
unstage
