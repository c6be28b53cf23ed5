# this kernel (6.12) cannot tune intervals, which came with 6.15: asking for it is refused before anything is changed
start_workload steady
settings >before
for wish in --monitoring_intervals_autotune "--monitoring_intervals_goal 4% 3 5ms 10s"; do
    damo-record "$pid" $wish --timeout 1 -o none.damo 2>said
    code=$?
    cat said
    expect "the exit code" "$code" = 2
    grep -q "tuning of intervals .*intervals_goal.*Linux 6\.15" said || fail "the message does not name what is missing, and the release that has it"
    expect "no record is begun" -z "$(ls | grep none)"
    settings >after
    cmp before after || { diff before after; fail "settings changed"; }
done
damo features unsupported | tee features
grep -qi "interval" features || fail "damo features does not tell of it"
