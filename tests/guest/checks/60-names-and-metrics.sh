# processes of a name are monitored, also one that begins later, and none of another; metrics tell of both while they run
# kernel: 6.12 newest
# limit: 240
# The workloads last until they are ended, and the recorder has as long as a busy host may need.
ln -s "$(command -v damo-workload)" service
WORKLOAD=./service start_workload steady
first=$pid
TRUTH=other.truth start_workload steady
other=$pid
start_record --comm '^service$' --timeout 200 -o named.damo --metrics service.prom --metrics_interval 1
wait_for 45 damon_is_on
WORKLOAD=./service TRUTH=second.truth start_workload steady
second=$pid
in_metrics() { grep -q "^damon_target_$1_bytes{[^}]*pid=\"$2\"} [1-9]" service.prom; }
# Resident memory is read about once a second.
is_told() { in_metrics working_set "$1" && in_metrics resident_memory "$1"; }
both_are_told() { is_told "$first" && is_told "$second"; }
wait_for 90 both_are_told
cp service.prom while.prom
kill -INT "$recorder"
end_record 30
for process in "$first" "$second" "$other"; do kill -9 "$process"; done
expect "the recorder ends well" "$code" = 0
is_complete named.damo second.truth
expect "the two of this name are targets" "$s_target_pids" = 2
expect "there are snapshots of the one that began later" "$s_target_snapshots" -ge 3
score named.damo other.truth
expect "the one of another name is none" "$s_target_snapshots" = 0
value() { sed -n "s/^$1 //p" while.prom; }
expect "a recording is under way" "$(value damon_recording)" = 1
expect "snapshots are counted" "$(value damon_snapshots_total)" -ge 3
at_least "CPU time of kdamonds" "$(value damon_kdamond_cpu_seconds_total)" 0.01
at_least "CPU time of the recorder" "$(value damon_recorder_cpu_seconds_total)" 0.01
expect "idle times are told of both" "$(grep -c '^damon_target_idle_seconds.*percentile="50"' while.prom)" = 2
expect "afterwards nothing records" "$(sed -n 's/^damon_recording //p' service.prom)" = 0
expect "afterwards no target is told of" "$(grep -c '^damon_target' service.prom)" = 0
note "CPU seconds after $(value damon_snapshots_total) snapshots: kdamond $(value damon_kdamond_cpu_seconds_total), recorder $(value damon_recorder_cpu_seconds_total)"
