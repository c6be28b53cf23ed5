# What this kernel's DAMON has: its files below a kdamond with one of each thing, the words that they take, its events and
# modules. Run in a guest: `scripts/guest run --kernel SERIES --file tests/guest -- sh /share/in/guest/facts.sh`.
# docs/recording.md has a table made from its output.
for name in /sys/module/damon_*/parameters/enabled; do
    case $(cat "$name") in Y) echo "module $(basename "$(dirname "$(dirname "$name")")") on from boot" && echo N >"$name" ;; esac
done
all=/sys/kernel/mm/damon/admin/kdamonds # of the guest
echo 1 >$all/nr_kdamonds
cd $all/0 || exit 1
echo 1 >contexts/nr_contexts
echo 1 >contexts/0/targets/nr_targets
echo 1 >contexts/0/targets/0/regions/nr_regions
echo 1 >contexts/0/schemes/nr_schemes
cd contexts/0 || exit 1
scheme=schemes/0
for number in $scheme/filters/nr_filters $scheme/core_filters/nr_filters $scheme/ops_filters/nr_filters $scheme/dests/nr_dests \
    $scheme/quotas/goals/nr_goals monitoring_attrs/probes/nr_probes; do
    [ ! -e $number ] || echo 1 >$number
done
[ ! -e monitoring_attrs/probes/0 ] || echo 1 >monitoring_attrs/probes/0/filters/nr_filters
(cd $all/0 && find . -type f | sort | sed 's/^\.\//file /')
echo "operations $(tr '\n' ' ' <avail_operations)"
# words FILE WORD…: those that the file takes.
words() {
    [ -e "$1" ] || return
    file=$1 taken=''
    shift
    for word in "$@"; do (echo "$word" >"$file") 2>/dev/null && taken="$taken $word"; done
    echo "words $file:$taken"
}
words $scheme/action willneed cold pageout hugepage nohugepage collapse lru_prio lru_deprio migrate_hot migrate_cold stat
for filters in $scheme/filters $scheme/core_filters $scheme/ops_filters monitoring_attrs/probes/0/filters; do
    words $filters/0/type anon active memcg young hugepage_size unmapped addr target
done
words $scheme/quotas/goals/0/target_metric user_input some_mem_psi_us node_mem_used_bp node_mem_free_bp node_memcg_used_bp \
    node_memcg_free_bp active_mem_bp inactive_mem_bp node_eligible_mem_bp hugepage_mem_bp
words $scheme/quotas/goal_tuner consist temporal
words $scheme/watermarks/metric none free_mem_rate
echo 0 >$all/nr_kdamonds
for event in /sys/kernel/tracing/events/damon/*/; do echo "event $(basename "$event")"; done
for file in /sys/module/damon_*/parameters/*; do echo "parameter ${file#/sys/module/}"; done
