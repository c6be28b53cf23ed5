# what is missing is named: no such process, no tracefs, not root
damo-record 999999 -o none.damo 2>said && fail "a process that does not exist was recorded"
cat said
grep -q 999999 said || fail "the message does not name the process"
start_workload steady
umount $TRACING # of the guest
damo-record "$pid" --timeout 1 -o none.damo 2>said
code=$?
cat said
mount -t tracefs tracefs $TRACING # of the guest
[ $code = 0 ] || grep -qi tracefs said || fail "the message does not say that tracefs is not mounted"
chmod 777 .
su nobody -s /bin/sh -c "damo-record $pid --timeout 1 -o none.damo" 2>said && fail "a user without rights recorded"
cat said
grep -qi root said || fail "the message does not say that root is needed"
damon_is_on && fail "DAMON is on"
true
