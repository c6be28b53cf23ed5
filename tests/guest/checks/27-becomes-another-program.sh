# a child that is a shell at first and then becomes another program is called so in the record, and is one target
mkfifo never
damo-record -o exec.damo -- sh -c "(exec 3<>never; read -t 3 x <&3
    exec damo-workload -q '$CONFIGS/zigzag.cfg' --truth exec.truth 3<&-); true" 2>said
cat said
is_complete exec.damo exec.truth
expect "there are two targets" "$s_targets" = 2
expect "with a process each" "$s_target_pids" = 2
at_least "recall" "$s_recall" 0.9
grep -q '^# target 1: damo-workload$' score.txt || fail "the child is not called by the program that it became"
grep -q '^# target 0: sh$' score.txt || fail "its parent is not called as it is"
