#!/bin/sh
# The table of docs/recording.md: what each kernel has, from the output of facts.sh in DIR, a file for each kernel, named after
# its series.
# Usage: kernel-table.sh DIR
cd "$1" || exit 2
kernels=$(ls | grep -x '[0-9]*\.[0-9]*' | sort -V)
printf '| |'; for kernel in $kernels; do printf ' %s |' "$kernel"; done; echo
printf '|---|'; for kernel in $kernels; do printf '%s' '---|'; done; echo
# row LABEL PATTERN: an x where a line of the facts matches.
row() {
    printf '| %s |' "$1"
    for kernel in $kernels; do if grep -qE "$2" "$kernel"; then printf ' x |'; else printf '   |'; fi; done
    echo
}
row 'recording: `damon_aggregated`' '^event damon_aggregated$'
row '`damon_region_aggregated`, with hits of probes' '^event damon_region_aggregated$'
row 'tuning of intervals (`--monitoring_intervals_goal`)' '/intervals_goal/'
row 'the intervals that were tuned, at once' '^event damon_monitor_intervals_tune$'
row 'schemes: `willneed` to `migrate_cold`' '^words .*/action:.* migrate_cold'
row '`collapse`' '^words .*/action:.* collapse'
row '`dests`: migration to several nodes' '/dests/'
row 'filters: `anon`, `memcg`, `young`, `addr`, `target`' '^words .*/filters/0/type: anon .*young'
row 'filters: `active`, `hugepage_size`, `unmapped`; `allow`' '^words .*/filters/0/type:.* unmapped'
row 'goals: `user_input`, `some_mem_psi_us`' '^words .*target_metric: user_input some_mem_psi_us'
row 'goals for a node: `node_mem_used_bp`, `node_mem_free_bp`' '^words .*target_metric:.* node_mem_used_bp'
row 'goals for a control group on a node: `node_memcg_used_bp`, …' '^words .*target_metric:.* node_memcg_used_bp'
row 'goals: `active_mem_bp`, `inactive_mem_bp`' '^words .*target_metric:.* active_mem_bp'
row 'goals: `node_eligible_mem_bp`' '^words .*target_metric:.* node_eligible_mem_bp'
row '`goal_tuner`' '^file .*/goal_tuner$'
row '`fail_charge`' '^file .*/fail_charge_num$'
row '`max_nr_snapshots`' '^file .*/max_nr_snapshots$'
row '`refresh_ms`' '^file refresh_ms$'
row '`addr_unit`' '^file .*/addr_unit$'
row '`obsolete_target`' '^file .*/obsolete_target$'
row '`pause`' '^file .*/pause$'
row 'probes' '^file .*/probes/'
row 'weights of probes' '^file .*/probes/0/weight$'
row 'quota in effect as an event' '^event damos_esz$'
row 'scheme figures as events' '^event damos_stat_after_apply_interval$'
row 'modules DAMON_RECLAIM, DAMON_LRU_SORT' '^parameter damon_lru_sort/'
row 'module DAMON_STAT, on from boot' '^module damon_stat on from boot$'
