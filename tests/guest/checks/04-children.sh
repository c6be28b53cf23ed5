# children of the target are followed, each as a target with its own identity
start_workload zigzag --children 3 --child-delay 1500
start_record "$pid" -o children.damo
wait "$pid"
end_record 45 # a starved host takes its time
expect "the recorder ends well when the whole family is gone" "$code" = 0
is_complete children.damo
expect "parent and three children are targets" "$s_target_pids" = 4
for child in 1 2 3; do
    score children.damo zigzag.truth.$child
    expect "child $child has snapshots" "$s_target_snapshots" -ge 3
    at_least "recall of child $child" "$s_recall" 0.9
done
