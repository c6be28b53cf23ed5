# a full disk ends the recording with a readable file, a message, DAMON switched off and all settings as found
start_workload large
somebody_stages
mkdir small
mount -t tmpfs -o size=16k small small || fail "cannot mount a small file system"
start_record "$pid" -n 500 -m 1000 -s 5000 -a 50000 --timeout 40 -o small/full.damo
end_record 60
expect "the recorder reports an error" "$code" != 0
grep -qi -e 'space' -e 'full' record.log || fail "the message does not say that the disk is full"
damon_is_on && fail "DAMON is still on"
same "a full disk left other settings than were found"
unstage
for file in small/full.damo small/full.damo.part; do
    [ ! -s $file ] || break
done
score $file
expect "there are snapshots" "$s_snapshots" -ge 10
expect "only the end of the file is missing" "$s_damage_before_the_end" = 0
umount small
