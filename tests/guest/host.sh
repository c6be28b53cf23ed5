# The host's side of the checks in the guest; part of scripts/guest, which loads it.

# Builds what the guest needs, runs the checks there, leaves what they kept in ${keep:-target/guest}/out; of the second boot
# in …-1/out, and so on. Most share one boot. A program given with --bin takes the place of ours of the same name: `check --bin "$(scripts/build-static musl)"`.
check() {
    local programs whole code=0 nth=0 names=("$@") boots plan name group main
    local series=$series append=$append nodes=$nodes kernels keep=$keep # of the boot at hand
    programs=$(build damo-cli damo-testbed) || die "building failed"
    local test
    test=$(build_test damo-steer real_kernel) || die "building failed"
    bins=("$programs/damo-record" "$programs/damo-workload" "$programs/damo-score" "$test" "${bins[@]}")
    files+=("$top/tests/guest")
    [ "$limit" != 120 ] || limit=1200
    main=${keep:-$(dirname "$(dirname "$programs")")/guest}
    [ $# != 0 ] || mapfile -t names < <(cd "$top/tests/guest/checks" && ls -- *.sh | sed 's/\.sh$//')
    # The whole program is too large for what is unpacked at each boot.
    if (cd "$top/tests/guest/checks" && grep -ls '^# needs: damo$' -- "${names[@]/%/.sh}" >/dev/null 2>&1); then
        build_damo
        whole=$(mktemp -d)
        strip -o "$whole/damo-whole" "$DAMO"
        add_program "$whole/whole" "$whole/damo-whole"
        files+=("$whole/whole")
    fi
    # Boot by check, a line each; Debian is asked for its newest kernel once.
    plan=$(for name in "${names[@]}"; do boots_of "$name" | sed "s|\$|\t$name|"; done)
    if grep -q '^newest ' <<<"$plan"; then plan=$(sed "s/^newest /$(newest_series) /" <<<"$plan"); fi
    boots=$(cut -f 1 <<<"$plan" | awk '!seen[$0]++')
    keep=$main resumes=yes
    while read -r -u 3 series nodes append; do
        mapfile -t group < <(awk -F '\t' -v boot="$series $nodes $append" '$1 == boot { print $2 }' <<<"$plan")
        kernels=$cache/kernel-$series
        say "kernel $series, $nodes NUMA node(s), $append: ${#group[@]} checks"
        run sh /share/in/guest/run.sh "${group[@]}" || code=$?
        afterwards "$keep/out" || code=1
        nth=$((nth + 1))
        keep=$main-$nth
    done 3<<<"$boots"
    [ -z "${whole:-}" ] || rm -rf "$whole"
    return "$code"
}

# The boots that a check is for, a line each: kernel, NUMA nodes, boot parameters. What the check says of itself decides:
#   # kernel: SERIES…   these kernels, `newest` being the newest that Debian has (without it: the usual one alone)
#   # nodes: N          so many NUMA nodes (without it: one)
#   # append: WORDS     these boot parameters (without it: DAMON_STAT off, which newer kernels switch on at boot)
# With --kernel, a check that names several kernels, or none, runs on the kernel given.
boots_of() {
    local file=$top/tests/guest/checks/$1.sh asked words kernel nodes
    asked=$(sed -n 's/^# kernel: *//p' "$file" 2>/dev/null || true)
    words=$(sed -n 's/^# append: *//p' "$file" 2>/dev/null || true)
    nodes=$(sed -n 's/^# nodes: *//p' "$file" 2>/dev/null || true)
    case $asked in
        '') asked=${series:-6.12} ;;
        *' '*) asked=${series:-$asked} ;;
    esac
    for kernel in $asked; do
        echo "$kernel ${nodes:-1} ${words:-${append:-damon_stat.enabled=N}}"
    done
}

# Builds PACKAGE's test program TEST as `build` builds programs, and prints where it is, under its plain name.
build_test() {
    local target=x86_64-unknown-linux-gnu built
    built=$(cd "$top" && RUSTFLAGS="-C target-feature=+crt-static" cargo test --quiet --release --target $target -p "$1" \
        --test "$2" --no-run --message-format=json | grep -o '"executable":"[^"]*/'"$2"'-[^"]*"' | tail -1 | cut -d'"' -f4)
    [ -n "$built" ] || return 1
    cp "$built" "$(dirname "$built")/../$2" && realpath "$(dirname "$built")/../$2"
}

# Sets DAMO to the whole program, reports included, which is built unless it was given.
build_damo() {
    [ -z "${DAMO:-}" ] || return 0
    (cd "$top" && cargo build --quiet --workspace --bin damo) >&2 || die "building failed"
    DAMO=$(cd "$top" && realpath "$(cargo metadata --format-version 1 --no-deps | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)/debug/damo")
}

# What the reports say to the records that checks left in DIR: each after-CHECK.sh of those that were run. The reports
# themselves are no part of the guest, they take too much to build for it.
afterwards() {
    local dir=$1 script name passed=0 failed=0 word=ok
    for script in "$top"/tests/guest/after-*.sh; do
        name=$(basename "$script" .sh)
        [ -e "$dir/${name#after-}/result" ] || continue
        build_damo
        if DAMO=$DAMO bash "$script" "$dir/${name#after-}"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1)) word=FAILED
            echo "FAIL          $name: $(sed -n '2s/^# *//p' "$script")"
        fi
    done
    [ $((passed + failed)) = 0 ] && return
    echo "test result: $word. $passed passed; $failed failed; 0 ignored; on what the guest left"
    [ $failed = 0 ]
}

# The measurements that docs/benchmarks.md quotes.
figures() {
    local programs
    programs=$(build damo-cli damo-testbed) || die "building failed"
    # The `cat` that people have, beside the guest's own.
    bins+=("$programs/damo-record" "$programs/damo-workload" "$programs/damo-score" "$(command -v cat)")
    files+=("$top/tests/guest")
    [ "$limit" != 120 ] || limit=500
    run sh /share/in/guest/figures.sh "$@"
}
