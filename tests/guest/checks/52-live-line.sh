# on a terminal a line tells while recording: time, snapshots, regions, bytes, what is lost, and DAMON's share of a CPU
# kernel: 6.12 newest
# on_terminal COLUMNS OPTION…: records on a terminal so wide (0: one that does not know, as a serial line). Leaves the lines as
# they were drawn in the file lines.
on_terminal() {
    columns=$1
    shift
    width=:
    [ "$columns" = 0 ] || width="stty cols $columns"
    open_terminal "$width" "damo-record $*"
    wait_for 45 damon_is_on
    close_terminal 45
    tr '\r' '\n' <shown | tr '\033' '~' >lines
    cat lines
    expect "the recorder ends well" "$(cat code)" = 0
    grep -q '^~\[KThe time is over' lines || fail "the line is not taken away at the end"
    sed -n 's/^\(.*\)~\[K$/\1/p' lines >drawn
    expect "the line is drawn again and again" "$(wc -l <drawn)" -ge "$least"
}

start_workload steady
least=6
on_terminal 100 "$pid" --timeout 5 -o line.damo &
terminal=$!
wait_for 45 damon_is_on
kdamond=$(cat $DAMON/0/pid)
began=$(uptime_now)
sleep 4
# CPU time of the kdamond in nanoseconds, over that of the clock.
share=$(awk -v now="$(uptime_now)" -v began="$began" '{print $1 / 1e7 / (now - began)}' "/proc/$kdamond/schedstat")
wait $terminal || fail "see above"
line='^[0-5] s: [0-9,]+ snapshots, [0-9,]+ regions, [0-9.]+ (Ki)?B, nothing lost(, DAMON [0-9.]+ % of a CPU)?$'
grep -vE "$line" drawn && fail "a line tells something else"
is_complete line.damo
# Numbers alone: time, snapshots, regions, bytes, share.
tr -d , <drawn | awk -v snapshots="$s_snapshots" -v regions="$s_regions" -v bytes="$s_file_bytes" -v share="$share" '
    function wrong(what) { print "failed: " what ": " $0; bad = 1; exit 1 }
    $1 < time || $3 < seen || $5 < cells { wrong("a figure went back") }
    { time = $1; seen = $3; cells = $5; written = $7 * ($8 == "KiB" ? 1024 : 1); if (/DAMON/) { sum += $12; n++ } }
    END {
        if (bad) exit 1
        if (time < 3) wrong("the time does not go on")
        if (seen > snapshots || seen < snapshots / 2) wrong("snapshots, of " snapshots)
        if (cells > regions || cells < regions / 2) wrong("regions, of " regions)
        if (written == 0 || written > bytes * 3) wrong("bytes, of " bytes)
        if (n < 3) wrong("no share of a CPU")
        if (sum / n > share * 2 || sum / n < share / 2) wrong("the share of a CPU, where the kernel says " share)
        printf "DAMON took %.1f %% of a CPU by the line, %.1f by the kernel\n", sum / n, share >"shares"
    }' || exit 1
kill -9 "$pid"

# Lost events are told while they are lost, also where the width is not known; a narrow terminal gets what fits.
start_workload large
least=3
on_terminal 0 "$pid" -n 1000 -m 2000 -s 5000 -a 10000 --ring_size 4K --timeout 4 -o lossy.damo
grep -q ', [1-9][0-9,]* LOST' drawn || fail "the line does not tell what is lost"
on_terminal 40 "$pid" --timeout 3 -o narrow.damo
expect "no line is wider than the terminal" "$(awk 'length > 39' drawn | wc -l)" = 0
expect "lines are cut, not left out" "$(awk 'length == 39' drawn | wc -l)" -ge 3
note "$(cat shares)"
