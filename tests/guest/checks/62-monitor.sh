# `damo monitor` shows a program that it starts, live, on a screen of 80 by 24, and leaves DAMON as it was; also as lines, by node
# kernel: 6.12 newest
# nodes: 2
# limit: 300
# needs: damo
cp -r /share/in/whole/. / || fail "the program cannot be installed"
open_terminal "stty rows 24 cols 80" "export TERM=xterm-256color LANG=C.UTF-8" \
    "damo-whole monitor 'damo-workload --quiet --nr_accesses_per_region 2442 --rest 200 $CONFIGS/stairs.cfg'"
wait_for 90 grep -q "damo-workload" shown
wait_for 45 damon_is_on
screen_has() { tr '\033' '\n' <shown | grep -q "$1"; }
# The first snapshots with accesses.
wait_for 45 screen_has "nothing lost\|events lost"
wait_for 45 screen_has "MiB"
printf '?' >&4
wait_for 30 screen_has "leaves"
printf '\033' >&4
sleep 1
printf q >&4
close_terminal 45
expect "the monitor ends well" "$(cat code)" = 0
damon_is_on && fail "DAMON is on afterwards"
pidof damo-workload >left && for process in $(cat left); do
    grep -qa wake-every "/proc/$process/cmdline" || fail "the program that it started runs on"
done

start_workload steady
damo-whole monitor --plain --count 3 "$pid" >plain || fail "no blocks of text"
cat plain
expect "three blocks are printed" "$(grep -c 'working set' plain)" = 3
damo-whole monitor --json --count 6 "$pid" >lines || fail "no lines of JSON"
tail -1 lines
expect "six lines are printed" "$(wc -l <lines)" = 6
grep -q "\"pid\":$pid" lines || fail "the lines do not name the process"
grep -q '"nodes":\[' lines || fail "the lines do not tell of nodes"
damon_is_on && fail "DAMON is on afterwards"
note "$(grep "remote accesses" plain | tail -1 | tr -s " ")"
