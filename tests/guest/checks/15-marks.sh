# lines written to the FIFO beside the record become marks in it
start_workload steady
start_record "$pid" --timeout 4 -o marked.damo
wait_for 10 test -p marked.damo.mark
sleep 1
echo "gc starts" >marked.damo.mark
sleep 1
echo "gc ends" >marked.damo.mark
end_record 15
is_complete marked.damo
expect "both marks are in the record" "$s_marks" = 2
expect "the FIFO is gone" ! -e marked.damo.mark
