# on a kernel that is locked down from boot on, that is what the message tells, and --snapshot works
# kernel: 6.12 newest
# append: lockdown=confidentiality damon_stat.enabled=N
sleep 1000 &
pid=$!
refused damo-record "$pid" --timeout 1 -o none.damo
says "/proc/cmdline: lockdown=confidentiality" "boot without lockdown=confidentiality" --simulate
mount -t securityfs securityfs /sys/kernel/security # of the guest
refused damo-record "$pid" --timeout 1 -o none.damo
says "/sys/kernel/security/lockdown: none integrity [confidentiality]" "boot without lockdown=confidentiality" --simulate
says "Works without it" "damo-record --snapshot 1s 60 $pid --timeout 1 -o none.damo"
says_not "mount -t tracefs"
# While a module of DAMON is on, no kdamond can be started for snapshots either.
enabled=/sys/module/damon_reclaim/parameters/enabled
if [ -e $enabled ]; then
    echo Y >$enabled
    refused damo-record --source damon "$pid" --timeout 1 -o none.damo
    says "enabled: damon_reclaim" "echo N > $enabled"
    says_not --snapshot
    echo N >$enabled
fi
doctor 1 tracefs=MISSING,lockdown=MISSING
says "is empty, because of the kernel's lockdown" "damo record --snapshot 1s 60"
damo-record --snapshot 100ms 2 "$pid" -o snapshots.damo || fail "what is offered in its place does not work"
is_complete snapshots.damo
expect "there are snapshots" "$s_snapshots" = 2
kill $pid
