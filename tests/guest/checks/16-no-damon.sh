# what is missing is named: no such process, no tracefs, not root
# refused WHAT: the last command, whose code is in $code, did nothing but say why.
refused() {
    cat said
    expect "the exit code of $1" "$code" = 2
    expect "no record is begun of $1" -z "$(ls | grep none)"
    damon_is_on && fail "DAMON is on"
    true
}

damo-record 999999 -o none.damo 2>said
code=$?
refused "a process that does not exist"
grep -q 999999 said || fail "the message does not name the process"

start_workload steady
umount $TRACING # of the guest
trap 'mount -t tracefs tracefs $TRACING' EXIT # of the guest
damo-record "$pid" --timeout 1 -o none.damo 2>said
code=$?
refused "a recording without tracefs"
grep -qi "tracefs" said || fail "the message does not say that tracefs is not mounted"
# What it says to try is what helps.
remedy=$(sed -n 's/^ *[Tt]ry: .*\(mount -t tracefs [a-z]* [a-z/]*\).*/\1/p' said)
expect "the message says how to mount it" -n "$remedy"
trap - EXIT
$remedy || { mount -t tracefs tracefs $TRACING; fail "the remedy fails: $remedy"; } # of the guest
damo-record "$pid" --timeout 1 -q -o after.damo || fail "after the remedy it does not record"
is_complete after.damo
expect "there are snapshots" "$s_snapshots" -ge 1

chmod 777 .
su nobody -s /bin/sh -c "damo-record $pid --timeout 1 -o none.damo" 2>said
code=$?
refused "a recording without rights"
grep -qi root said || fail "the message does not say that root is needed"
