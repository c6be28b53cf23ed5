# a command is waited for when its record cannot be: disk full, file size limit, too short; then comes the error or its code
mkdir small
mount -t tmpfs -o size=8k small small || fail "cannot mount a small file system"
damo-record -n 500 -m 1000 -s 5000 -a 50000 -o small/full.damo -- sh -c \
    'damo-workload -q "$CONFIGS/large.cfg" & sleep 18; kill $!; echo "at its end"' >did 2>said
code=$?
cat did said
expect "a full disk is an error" "$code" = 2
expect "the command ran to its end" "$(cat did)" = "at its end"
damon_is_on && fail "DAMON is on"
tail -1 said | grep -qi 'no space' || fail "the error has not the last word"
umount small
(ulimit -f 8 && damo-record -n 500 -m 1000 -s 5000 -a 50000 -o limit.damo -- \
    sh -c 'damo-workload -q "$CONFIGS/large.cfg" & sleep 12; kill $!' 2>said)
expect "a file size limit is an error" $? = 2
cat said
damon_is_on && fail "DAMON is on after the file size limit"
expect "the FIFO is gone" ! -e limit.damo.mark
score limit.damo
expect "there are snapshots" "$s_snapshots" -ge 10
for i in 1 2 3 4 5 6 7 8; do
    damo-record -f -q -o short.damo -- sh -c 'exit 9' 2>said
    expect "a short command's code is passed on (try $i: $(cat said))" $? = 9
done
true
