# a low limit of open files keeps no ring from being opened, and is what the command has still
(ulimit -Sn 14 && damo-record -q --schemes '[{"action": "stat"}]' -o few.damo -- sh -c 'ulimit -Sn >limit; sleep 4')
expect "it records" $? = 0
expect "the command has its user's limit" "$(cat limit)" = 14
is_complete few.damo
at_least "the number of snapshots" "$s_snapshots" 5
