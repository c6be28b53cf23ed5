# with address ranges of a process nothing but these is monitored
# kernel: 6.12 newest
start_workload steady
wait_for 30 grep -q '"phase":"steady"' steady.truth
range() { sed -n "s/.*\"region\".*\"name\":\"$1\".*\"start\":\([0-9]*\),\"end\":\([0-9]*\).*/\1 \2/p" steady.truth; }
set -- $(range hot)
expect "the range is known" $# = 2
# DAMON's regions are of whole pages.
start=$(($1 / 4096 * 4096)) end=$((($2 + 4095) / 4096 * 4096))
start_record "$pid" --regions "$start-$end" --timeout 4 -o range.damo
wait_for 45 damon_is_on
expect "the operations set is fvaddr" "$(cat $DAMON/0/contexts/0/operations)" = fvaddr
end_record 45
expect "the recorder ends well after its time" "$code" = 0
is_complete range.damo
expect "there are snapshots" "$s_snapshots" -ge 3
expect "the ranges begin with the one wanted" "$s_lowest" = $start
expect "the ranges end with the one wanted" "$s_highest" = $end
at_least "bytes accessed in the last snapshots" "$s_last_accessed" 9000000
