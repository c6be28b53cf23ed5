#!/bin/sh
# a record made before a scheme predicts what the scheme then saves, within 20 %
# On the host, after the guest check 30-pageout. DIR holds what that kept: before.damo, schemes.json, and result with the
# mean resident sizes before and with the scheme (rss_before_bytes=N, rss_after_bytes=N). Exit code 1 if the predicted
# saving is too far off, 2 if it cannot be told.
# Usage: DAMO=path/to/damo after-30-pageout.sh DIR
#        after-30-pageout.sh --self-test     checks the arithmetic on fixed inputs, without damo
tolerance=20 # percent of the saving shown

fail() {
    echo "after-30-pageout: $*" >&2
    exit 2
}

# The number of NAME=N or NAME N in $dir/result.
result() {
    value=$(sed -n "s/^$1[= ]\([0-9][0-9]*\)$/\1/p" "$dir/result")
    [ -n "$value" ] || fail "$dir/result has no $1"
    echo "$value"
}

# The saving of the first scheme in the JSON on stdin, in bytes.
predicted_bytes() {
    tr -d ' \n' | awk '{
        schemes = substr($0, index($0, "\"schemes\":["))
        first = substr(schemes, index(schemes, "\"saved\":") + 8)
        if (match(first, /^-?[0-9]+/)) print substr(first, 1, RLENGTH)
    }'
}

judge() { # DIR
    dir=$1
    for file in before.damo schemes.json result; do [ -r "$dir/$file" ] || fail "$dir/$file is missing"; done
    before=$(result rss_before_bytes) || exit 2
    after=$(result rss_after_bytes) || exit 2
    # The scheme pages out what was idle for 5 s; the resident size with it is taken when it had run for longer than that.
    report=$($DAMO schemes --what-if "$dir/before.damo" --schemes "$dir/schemes.json" --settle 5s --format json) || fail "$DAMO failed"
    predicted=$(echo "$report" | predicted_bytes)
    [ -n "$predicted" ] || fail "no saving in the report: $report"
    awk -v before="$before" -v after="$after" -v predicted="$predicted" -v tolerance=$tolerance 'BEGIN {
        shown = before - after
        mib = 1048576
        if (shown <= 0) { print "FAILED: the scheme saved nothing, " shown " bytes"; exit 1 }
        off = 100 * (predicted - shown) / shown
        verdict = (off <= tolerance && off >= -tolerance) ? "ok" : "FAILED"
        printf "%s: predicted %.1f MiB saved of %.1f, shown %.1f: off by %+.1f %%, at most %d allowed\n",
            verdict, predicted / mib, before / mib, shown / mib, off, tolerance
        exit verdict != "ok"
    }'
}

self_test() {
    work=$(mktemp -d) || exit 2
    trap 'rm -rf "$work"' EXIT
    echo '[]' >"$work/schemes.json"
    : >"$work/before.damo"
    # A damo that predicts what the test wants.
    printf '#!/bin/sh\ncat "%s/report"\n' "$work" >"$work/damo"
    chmod +x "$work/damo"
    DAMO=$work/damo
    bad=0
    expect() { # CODE BEFORE AFTER PREDICTED SEPARATOR
        printf 'rss_before_bytes%s%s\nrss_after_bytes%s%s\n' "$5" "$2" "$5" "$3" >"$work/result"
        cat >"$work/report" <<REPORT
{"report": "schemes", "tables": {
 "schemes": [
  {"scheme": 0, "what": "pageout, rate 0 %", "resident_without": 9, "saved": $4, "saved_share": 0.5},
  {"scheme": 1, "what": "another", "saved": 1}],
 "course": [{"scheme": 0, "saved": 3}]}}
REPORT
        said=$(judge "$work" 2>&1)
        code=$?
        if [ $code != "$1" ]; then
            echo "self-test: before $2, after $3, predicted $4: exit code $code, not $1: $said" >&2
            bad=1
        fi
    }
    expect 0 1000 400 600 =
    expect 0 1000 400 700 ' '
    expect 0 1000 400 490 =
    expect 1 1000 400 730 =
    expect 1 1000 400 470 =
    expect 1 1000 400 -600 =
    expect 1 1000 1000 0 =
    expect 1 400 1000 600 =
    expect 2 none 400 600 =
    expect 2 1000 400 null =
    rm "$work/before.damo"
    expect 2 1000 400 600 =
    [ $bad = 0 ] && echo "self-test: ok"
    return $bad
}

case $# in
1) ;;
*) fail "usage: DAMO=path/to/damo after-30-pageout.sh DIR | --self-test" ;;
esac
if [ "$1" = --self-test ]; then
    self_test
else
    [ -n "${DAMO:-}" ] || fail "set DAMO to the program"
    judge "$1"
fi
