# rotation by time and by size: every file is complete, and nothing is lost between one and the next
start_workload large

# rotated NAME: all files of it are complete, each begins where the one before ends, and together they hold every snapshot
# that the recorder told of.
rotated() {
    files=0 sum=0 before=
    for file in "$1".[0-9]*.damo; do
        is_complete "$file"
        expect "no event is lost in $file" "$s_lost" = 0
        expect "$file has snapshots" "$s_snapshots" -ge 1
        [ -z "$before" ] || expect "$file begins where the one before ends" "$s_first_ns" = "$before"
        [ $files = 0 ] || [ "$1" != time ] || expect "$file is not begun before its time" $((s_first_end_ns - began)) -ge 2000000000
        began=$s_first_end_ns before=$s_last_ns files=$((files + 1)) sum=$((sum + s_snapshots))
    done
    expect "there are several files" $files -ge 3
    expect "the files hold all snapshots" $sum = "$(sed -n 's/^.* to .*: \([0-9,]*\) snapshots.*/\1/p' record.log | tr -d ,)"
    expect "there is no file but those" "$(ls | grep -c "^$1")" = $files
}

start_record "$pid" --rotate_time 2s --timeout 7 -o time.damo
end_record 45
expect "the recorder ends well after its time" "$code" = 0
rotated time
noted="$files files of 2 s"

# Regions press to a fraction of a byte each: many of them, until two files are full.
start_record "$pid" -n 1000 -m 2000 -s 5000 -a 10000 --rotate_size 16K -o size.damo
wait_for 45 test -e size.0002.damo
kill -INT "$recorder"
end_record 45
rotated size
note "$noted, $files files of 16 KiB"
