#!/bin/sh
# report probes shows that part of the machine's memory is anonymous, and that part of what was accessed is
# On the host, after the guest check 57-newer-parameters, which left two records of physical memory with a probe in DIR:
# probes.damo of events, read.damo of snapshots that were read. Exit code 1 if a report shows something else.
# Usage: DAMO=path/to/damo after-57-newer-parameters.sh DIR
cd "$1" || exit 2
for record in probes.damo read.damo; do
    "$DAMO" report probes $record >probes.txt || exit 1
    grep -q 'allow anon' probes.txt || { echo "$record: the report does not name the probe"; cat probes.txt; exit 1; }
    "$DAMO" report probes $record --format json >probes.json || exit 1
    grep -q '"total_hit_bytes": *[1-9]' probes.json || { echo "$record: nothing is anonymous"; head -c 2000 probes.json; exit 1; }
done
