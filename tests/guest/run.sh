#!/bin/sh
# Runs the checks named inside the guest that scripts/guest boots: one line per check, then a summary as
# cargo's test runner prints it.
# A check that fails is run once more, and it is told when that alone passed: the guest is emulated, on hosts that do other
# things as well. Both runs must fail for a failure.
# Each check is a script in checks/ whose first line says what it shows. It runs in a directory of its own with lib.sh
# loaded, must not take longer than its limit, and must leave DAMON switched off.
# A check that names several kernels asks what the kernel has (kernel_has) and shows that it works, or else that it is refused.
here=$(dirname "$(realpath "$0")")
export LIB="$here/lib.sh" CONFIGS="$here/configs" OUT=/share/out
limit=90
mkdir -p /tmp/check "$OUT"

. "$here/prepare.sh"

now() { cut -d' ' -f1 /proc/uptime; }

# Runs the check $name; its exit code is in $code, how long it took in $took.
run_check() {
    start=$(now)
    rm -rf "${OUT:?}/$name"
    mkdir -p "/tmp/check/$name" "$OUT/$name"
    (
        cd "/tmp/check/$name" || exit 1
        NAME=$name timeout -s KILL "${own_limit:-$limit}" sh -c '. "$LIB"; . "$0"; finish' "$check"
    ) >"$OUT/$name/log" 2>&1
    code=$?
    [ $code != 137 ] || echo "took longer than ${own_limit:-$limit} s" >>"$OUT/$name/log"
    sh -c '. "$LIB"; clean_up' >>"$OUT/$name/log" 2>&1 || code=1
    rm -rf "/tmp/check/$name"
    took=$(echo "$(now) $start" | awk '{printf "%5.1f", $1 - $2}')
}

# A guest that crashed goes on with the check that was cut off: those before it have had their verdict.
passed=0 failed=0 began=$(now)
for name in "$@"; do
    case $(cat "$OUT/$name/verdict" 2>/dev/null) in
        ok) passed=$((passed + 1)) && continue ;;
        FAIL) failed=$((failed + 1)) && continue ;;
    esac
    check="$here/checks/$name.sh"
    if [ ! -e "$check" ]; then
        echo "FAIL          $name: no such check"
        failed=$((failed + 1))
        continue
    fi
    says=$(sed -n '1s/^# *//p' "$check")
    own_limit=$(sed -n 's/^# limit: *//p' "$check")
    again=
    run_check
    if [ $code != 0 ] && [ "${DAMO_GUEST_AGAIN:-1}" = 1 ]; then
        echo "again          $name failed, and is run once more: $(grep '^failed: ' "$OUT/$name/log" | tail -1)"
        cp "$OUT/$name/log" /tmp/first.log
        again=' | AT THE SECOND TRY'
        run_check
        cp /tmp/first.log "$OUT/$name/log.first"
    fi
    if [ $code = 0 ]; then
        passed=$((passed + 1))
        echo ok >"$OUT/$name/verdict"
        echo "ok   $took s  $name: $says$(sed -n 's/^note: / | /p' "$OUT/$name/log" | tr -d '\n')$again"
    else
        failed=$((failed + 1))
        echo FAIL >"$OUT/$name/verdict"
        echo "FAIL $took s  $name: $says"
        tail -25 "$OUT/$name/log" | sed 's/^/        /'
    fi
done
word=ok
[ $failed = 0 ] || word=FAILED
echo "test result: $word. $passed passed; $failed failed; 0 ignored; in the guest, $(echo "$(now) $began" | awk '{printf "%.0f", $1 - $2}') s since its last boot"
[ $failed = 0 ]
