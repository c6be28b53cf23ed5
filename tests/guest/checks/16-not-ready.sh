# what is missing is told: not root, DAMON hidden, no tracefs, no tracepoint, no such process, a name that is taken
chmod 777 .
sleep 1000 &
pid=$!

refused as_nobody "damo-record $pid --timeout 1 -o none.damo"
says "uid 65534, effective capabilities 0x0" "Try: sudo damo-record $pid --timeout 1 -o none.damo" --simulate
says "kernel.perf_event_paranoid = $(cat /proc/sys/kernel/perf_event_paranoid)" "sysctl -w kernel.perf_event_paranoid=-1"
says_not "control files"
doctor 1 root=MISSING,damon_sysfs=unknown,perf_event_paranoid=MISSING as_nobody
says "sudo damo record" --simulate
as_nobody "damo-record --timeout 3 -o own.damo -- sleep 4" 2>said || fail "a process of one's own cannot be recorded without root"
says "DAMON cannot be used here (uid 65534"
is_complete own.damo
refused as_nobody "damo start $pid"
says "not ready for steering DAMON" "Try: sudo damo start $pid" --simulate
refused as_nobody damo status
says "Try: sudo damo status"

mkdir empty
mount --bind empty /sys/kernel/mm/damon # of the guest
trap 'umount /sys/kernel/mm/damon' EXIT # of the guest
refused damo-record --source damon "$pid" --timeout 1 -o none.damo
says "kdamonds is not there" "CONFIG_DAMON_SYSFS=y (/boot/config-$(uname -r))" "hidden here" --simulate
says_not --snapshot
damo-record "$pid" --timeout 3 -o referenced.damo 2>said || fail "referenced pages are not recorded in its place"
says "DAMON cannot be used here" "--source damon"
is_complete referenced.damo
expect "there are snapshots of referenced pages" "$s_snapshots" -ge 1
doctor 1 config_damon=ok,damon_sysfs=MISSING
refused damo start "$pid"
says "kdamonds is not there" "hidden here"
umount /sys/kernel/mm/damon # of the guest

umount $TRACING # of the guest
trap 'mount -t tracefs tracefs $TRACING' EXIT # of the guest
refused damo-record "$pid" --timeout 1 -o none.damo
says "not mounted (/proc/mounts)" "Try: mount -t tracefs tracefs $TRACING" --simulate
says "Works without it" "damo-record --snapshot 1s 60 $pid --timeout 1 -o none.damo"
doctor 1 tracefs=MISSING,events=unknown
says "damo record --snapshot 1s 60"
sh -c "$(sed -n 's/^ *try: \(mount.*\)/\1/p' said)"
trap - EXIT
doctor 0 tracefs=ok,events=ok

mkdir -p events/damos_before_apply
cp $TRACING/events/damon/damos_before_apply/format events/damos_before_apply/
mount --bind events $TRACING/events/damon # of the guest
trap 'umount $TRACING/events/damon' EXIT # of the guest
refused damo-record "$pid" --timeout 1 -o none.damo
says "$TRACING/events/damon has only damos_before_apply" "CONFIG_EVENT_TRACING=y (/boot/config-$(uname -r))" --simulate
says "Try: damo-record --snapshot 1s 60 $pid --timeout 1 -o none.damo"
doctor 1 tracefs=ok,events=MISSING
damo-record --snapshot 100ms 2 "$pid" -o snapshots.damo || fail "what is offered in its place does not work"
is_complete snapshots.damo
umount $TRACING/events/damon # of the guest
trap - EXIT

refused damo-record 999999 -o none.damo
says "process 999999 does not exist (any more)" 'damo record $(pidof -s PROGRAM)' --simulate
refused damo-record "$pid" 999999 -o none.damo
says "process 999999"
sh -c 'exit 0' &
gone=$!
wait $gone
refused damo-record $gone -o none.damo
says "process $gone does not exist"

echo "notes of somebody" >taken.damo
refused damo-record "$pid" --timeout 1 -o taken.damo
says "taken.damo exists and is no .damo record" "-f to overwrite it"
expect "it is as it was" "$(cat taken.damo)" = "notes of somebody"
damo-record -f "$pid" --timeout 1 -o taken.damo || fail "-f does not overwrite it"
is_complete taken.damo
kill $pid
