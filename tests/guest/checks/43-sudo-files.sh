# under sudo the record and the FIFO for marks are the user's, so that the user's own program can mark and its record be read
chmod 777 . # as in a directory of the user's
mkdir mine && chown 65534 mine && cd mine || fail "no directory"
for i in 1 2; do
    SUDO_UID=65534 SUDO_GID=65534 damo-record -o sudo.damo -- \
        sh -c 'sleep 2; echo "gc starts" >sudo.damo.mark; echo "wrote mark: $?"; damo mark --record sudo.damo "gc ends"; sleep 1' >did 2>said
    code=$?
    cat did said
    expect "the command ends well (time $i)" "$code" = 0
    expect "it could mark" "$(cat did)" = "wrote mark: 0"
    expect "the record is the user's" "$(stat -c '%u %g %a' sudo.damo)" = "65534 65534 600"
    is_complete sudo.damo
    expect "both marks are in the record" "$s_marks" = 2
    grep -q 'Next: damo report' said || fail "the next command needs no sudo"
done
expect "the one before was kept" -e sudo.damo.old
