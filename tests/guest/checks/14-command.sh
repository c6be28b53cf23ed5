# a command is started, recorded to its end, and its exit code passed on
damo-record -o command.damo -- damo-workload -q "$CONFIGS/zigzag.cfg" --truth zigzag.truth
expect "a command that ends well" $? = 0
is_complete command.damo zigzag.truth
at_least "recall" "$s_recall" 0.9
damo-record -o seven.damo -- sh -c 'sleep 2; exit 7'
expect "the exit code is the command's" $? = 7
