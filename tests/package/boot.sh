#!/bin/sh
# Runs within a booted Debian that has the package: the unit is started, asked for what it holds, stopped and started again.
# What went wrong is on standard output; the last line is "end" if everything was run.
fail() { echo "FAIL: $*"; }
unit=damo-record@check
state() { systemctl show -P ActiveState "$unit"; }
until_there() { # until_there FILE: waits for it, ten seconds at most
    for _ in $(seq 100); do
        [ -s "$1" ] && return 0
        sleep 0.1
    done
    fail "$1 did not appear"
}

cat >/etc/damo/check.conf <<'CONF'
RECORD="--source referenced --keep 1min -a 200ms --metrics /var/lib/prometheus/node-exporter/check.prom --metrics_interval 1s -- sleep 1000"
CONF
systemctl start "$unit" || fail "start"
until_there /var/lib/prometheus/node-exporter/check.prom
[ "$(state)" = active ] || fail "it is $(state) after the start"
systemctl reload "$unit" || fail "reload"
until_there /var/lib/damo/check.0001.damo
systemctl stop "$unit" || fail "stop"
[ "$(state)" = inactive ] || fail "it is $(state) after the stop"
until_there /var/lib/damo/check.damo
for record in /var/lib/damo/check.0001.damo /var/lib/damo/check.damo; do
    damo validate "$record" >/dev/null || fail "damo validate $record"
    damo report wss -i "$record" >/dev/null || fail "damo report wss -i $record"
done
[ "$(stat -c %a /var/lib/damo)" = 700 ] || fail "/var/lib/damo is for others"
grep -q '^damon_recording 0' /var/lib/prometheus/node-exporter/check.prom || fail "the metrics do not say that it ended"
# An instance without a file of its own is refused.
if systemctl start damo-record@none 2>/dev/null; then fail "an instance without a configuration started"; fi
# Removing the package stops what runs, and takes the links of enabled instances along.
systemctl enable "$unit" 2>/dev/null || fail "enable"
rm /var/lib/prometheus/node-exporter/check.prom
systemctl start "$unit" || fail "the second start"
# A recording that is ended before it has a snapshot fails.
until_there /var/lib/prometheus/node-exporter/check.prom
dpkg -r damo-rs >/dev/null || fail "dpkg -r"
[ "$(state)" = inactive ] || fail "it is $(state) after the removal"
find /etc/systemd/system -name 'damo-record*' | grep . && fail "links are left"
[ -s /var/lib/damo/check.damo ] || fail "the removal took records along"
echo end
