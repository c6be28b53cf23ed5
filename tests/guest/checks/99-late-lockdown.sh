# a lockdown that comes after boot leaves perf open, and so is no reason to refuse (it cannot be undone: the last check)
mount -t securityfs securityfs /sys/kernel/security # of the guest
echo confidentiality >/sys/kernel/security/lockdown # of the guest
start_workload steady
doctor 0 tracefs=ok,lockdown=limited
says "none integrity [confidentiality]"
damo-record "$pid" --timeout 3 -o locked.damo || fail "it does not record"
is_complete locked.damo
expect "there are snapshots" "$s_snapshots" -ge 3
