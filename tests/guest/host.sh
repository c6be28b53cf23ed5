# The host's side of the checks in the guest; part of scripts/guest, which loads it.

# Builds what the guest needs, runs the checks there, leaves what they kept in ${keep:-target/guest}/out.
check() {
    local programs
    programs=$(build damo-record damo-workload) || die "building failed"
    bins+=("$programs/damo-record" "$programs/damo-workload" "$programs/damo-score")
    files+=("$top/tests/guest")
    [ "$limit" != 120 ] || limit=600
    [ -n "$keep" ] || keep=$(dirname "$(dirname "$programs")")/guest
    run sh /share/in/guest/run.sh "$@"
}

# The measurements that docs/benchmarks.md quotes.
figures() {
    local programs
    programs=$(build damo-record damo-workload) || die "building failed"
    bins+=("$programs/damo-record" "$programs/damo-workload" "$programs/damo-score")
    files+=("$top/tests/guest")
    [ "$limit" != 120 ] || limit=400
    run sh /share/in/guest/figures.sh "$@"
}
