# the limit that `damo explain --right-size` proposes holds: under such a memory.high next to nothing is read back, under half of it much is
# limit: 240
# needs: damo
cp -r /share/in/whole/. / || fail "the program cannot be installed"
echo +memory >/sys/fs/cgroup/cgroup.subtree_control # of the guest
start_workload steady
wait_for 30 grep -q '"phase":"steady"' steady.truth
find_area hot
start_record "$pid" --timeout 12 -o sized.damo
end_record 60
is_complete sized.damo
kill -9 "$pid"
damo-whole explain sized.damo --right-size --format csv >limits || fail "no limit is proposed"
cat limits
proposed=$(awk -F , '/^proposed/ { printf "%.0f", $2 }' limits)
at_least "the proposed limit" "$proposed" "$area_size"
at_most "the proposed limit" "$proposed" "$((area_size * 2))"

# pages_read_back LIMIT: under a memory.high of so much beside what is charged for other things, in ten seconds: $pages.
pages_read_back() {
    group=/sys/fs/cgroup/sized
    mkdir $group
    echo 0 >$group/cgroup.procs
    start_workload steady
    echo 0 >/sys/fs/cgroup/cgroup.procs
    wait_for 45 grep -q '"phase":"steady"' steady.truth
    other=$(($(cat $group/memory.current) - $(memory_of "$pid" RssAnon)))
    echo $(($1 + other)) >$group/memory.high
    sleep 4 # what is above the limit goes
    refaults=$(awk '/^workingset_refault_anon/ { print $2 }' $group/memory.stat)
    sleep 10
    pages=$(($(awk '/^workingset_refault_anon/ { print $2 }' $group/memory.stat) - refaults))
    echo "memory.high $1 and $other for other things: $pages pages read back, $(cat $group/memory.current) bytes are charged"
    kill -9 "$pid"
    wait_for 20 rmdir $group
}

pages_read_back "$proposed"
at_limit=$pages
pages_read_back $((proposed / 2))
expect "at half of the limit far more is read back" "$pages" -gt $((at_limit * 10 + 100))
at_most "the share of the busy area that is read back in ten seconds at the proposed limit" \
    "$(awk "BEGIN { print $at_limit * 4096 / $area_size }")" 0.05
note "$((proposed >> 10)) KiB are proposed for a busy area of $((area_size >> 10)); $at_limit pages were read back in 10 s, at half of it $pages"
