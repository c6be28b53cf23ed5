# in a container, or with a process of one, the message tells so and what works, and its own processes are recorded
sleep 1001 &
host=$!
isolated="unshare -m -p -f --mount-proc"

# A process of a pid namespace, whose id there is nobody's here.
$isolated sh -c 'echo 20000 >/proc/sys/kernel/ns_last_pid; sleep 1000 & wait' &
wait_for 10 sh -c "grep -q '^NSpid:.*20001$' /proc/[0-9]*/status"
outer=$(grep -l '^NSpid:.*20001$' /proc/[0-9]*/status | cut -d/ -f3)
refused damo-record 20001 --timeout 1 -o none.damo
says "process 20001 does not exist here" "a container" "Try: damo record $outer    # sleep" --simulate
damo-record "$outer" --timeout 1 -o outer.damo || fail "what is offered does not work"
is_complete outer.damo
expect "there are snapshots of it" "$s_snapshots" -ge 1
refused damo-record 2 --timeout 1 -o none.damo
says "process 2 (kthreadd) is a kernel thread" "damo record paddr"

# A recorder in one.
refused $isolated damo-record "$host" --timeout 1 -o none.damo
says "process $host does not exist here" "another pid namespace (pid:[" "--pid=host" --simulate
doctor 0 pid_namespace=limited,proc=ok $isolated
$isolated sh -c "damo-workload --quiet --nr_accesses_per_region 2442 --rest 200 --truth inner.truth '$CONFIGS/steady.cfg' &
    sleep 1; damo-record \$! --timeout 3 -o inner.damo" || fail "its own processes cannot be recorded"
is_complete inner.damo inner.truth
at_least "recall in a pid namespace" "$s_recall" 0.9

# One that sees the host's /proc.
refused unshare -p -f damo-record "$host" --timeout 1 -o none.damo
says "/proc is of another pid namespace" "mount -t proc proc /proc" --simulate
doctor 1 proc=MISSING unshare -p -f
refused unshare -p -f damo start "$host"
says "mount -t proc proc /proc"

# A container as it is by default: a mark, /sys read-only, and few capabilities.
cat >contained.sh <<'END'
mount -t tmpfs tmpfs /run && touch /run/.containerenv
mount -o remount,bind,ro /sys
exec "$@"
END
refused $isolated sh contained.sh damo-record --source damon 1 --timeout 1 -o none.damo
says "/sys is mounted read-only (/proc/mounts)" "mount -o remount,rw /sys" "--privileged" --simulate
says "this is a container: /run/.containerenv is there" "--pid=host"
says_not --snapshot
doctor 1 damon_sysfs_writable=MISSING,container=limited $isolated sh contained.sh
refused $isolated sh contained.sh damo start paddr
says "not ready for steering DAMON" "/sys is mounted read-only" "this is a container"
few="/usr/bin/setpriv --inh-caps=-all --bounding-set=-all,+chown,+dac_override,+fowner,+kill,+setgid,+setuid,+sys_chroot,+mknod"
refused $isolated sh contained.sh $few damo-record --source damon 1 --timeout 1 -o none.damo
says "without CAP_SYS_ADMIN and CAP_PERFMON" "with --privileged" "this is a container" --simulate
says "kernel.perf_event_paranoid = $(cat /proc/sys/kernel/perf_event_paranoid)"
doctor 1 root=MISSING,perf_event_paranoid=MISSING $isolated sh contained.sh $few

# One without rights outside itself, as rootless containers are.
chmod 777 .
refused as_nobody "unshare -U -r damo-record $host --timeout 1 -o none.damo"
says "uid 0" "of a user namespace (/proc/self/uid_map: 0 65534 1)" "run it as root of the host" --simulate
doctor 1 root=MISSING as_nobody unshare -U -r
kill $host
