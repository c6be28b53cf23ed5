# a DAMON module that runs keeps others from starting: the message names it with the command that switches it off, which helps
# kernel: 6.12 newest
start_workload steady
module=/sys/module/damon_reclaim/parameters # of the guest
echo Y >$module/enabled
wait_for 10 sh -c "[ \$(cat $module/kdamond_pid) -gt 0 ]"
damo-record "$pid" --timeout 1 -o refused.damo 2>said
expect "the kernel refuses, and the recorder says so" $? = 2
cat said
command=$(sed -n 's/.*Switch it off first: \(echo N > [^ ;]*\);.*/\1/p' said)
expect "the command to switch the module off is told" "$command" = "echo N > $module/enabled"
eval "$command"
# It looks at its parameters now and then.
wait_for 20 sh -c "[ \$(cat $module/kdamond_pid) -le 0 ]"
start_record "$pid" --timeout 3 -o a.damo
end_record 20
is_complete a.damo
expect "then recording works" "$code" = 0
