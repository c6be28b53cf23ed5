# a signal ends a recording at once, also while DAMON has yet to be told of a new child, and all settings are as found
rm -f steady.truth
start_workload steady --children 1 --child-delay 3000
somebody_stages
# A child is told to DAMON at the end of an aggregation: twenty seconds.
start_record "$pid" -s 1s -a 20s -u 20s -o slow.damo
wait_for 45 damon_is_on
wait_for 15 grep -qx 2 $DAMON/0/contexts/0/targets/nr_targets
sleep 1
asked=$(uptime_now)
kill -INT "$recorder"
end_record 30
took=$(awk "BEGIN { print $(uptime_now) - $asked }")
expect "the recorder ends well" "$code" = 0
# It goes off at the next sampling, up to a second later.
at_most "time from the signal to the end, in seconds" "$took" 4
is_complete slow.damo
same "the signal left other settings than were found"
unstage
note "ended $took s after SIGINT, with an aggregation interval of 20 s"
