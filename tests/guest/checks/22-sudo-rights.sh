# under sudo a command runs as the user who called it, with the user's groups alone; the recorder itself is root
SUDO_UID=65534 SUDO_GID=65534 damo-record -o sudo.damo -- \
    sh -c 'id -u; id -g; id -G; echo "$USER $HOME"; sleep 3; touch /root/mine' >who 2>said
code=$?
cat who said
expect "the exit code is the command's, which must not write where root may" "$code" = 1
expect "user, group, groups, name and home are the caller's" "$(tr '\n' ' ' <who)" = "65534 65534 65534 nobody / "
expect "nothing was made with root's rights" ! -e /root/mine
is_complete sudo.damo
expect "there are snapshots" "$s_snapshots" -ge 1
SUDO_UID=someone SUDO_GID=65534 damo-record -o none.damo -- touch ran 2>said && fail "a senseless SUDO_UID was accepted"
cat said
grep -q SUDO_UID said || fail "the message does not name SUDO_UID"
expect "the command did not run as root instead" ! -e ran
damon_is_on && fail "DAMON is on"
true
