# what damo says of this kernel by its release is what the kernel has, and it refuses just the words that the kernel does
# kernel: 6.12 newest
start_workload steady
# By release alone: nothing is staged to look into.
damo features --json >by-release
# With one of each thing staged, files are seen.
echo 1 >$DAMON/nr_kdamonds # of the guest
context=$DAMON/0/contexts/0 scheme=$DAMON/0/contexts/0/schemes/0
echo 1 >$DAMON/0/contexts/nr_contexts
for number in targets/nr_targets schemes/nr_schemes; do echo 1 >$context/$number; done
for number in filters/nr_filters quotas/goals/nr_goals core_filters/nr_filters ops_filters/nr_filters; do
    [ ! -e $scheme/$number ] || echo 1 >$scheme/$number
done
damo features --json >seen
# A line each: name and whether it is expected.
of() { tr -d ' \n' <$1 | sed 's/},*{/\n/g' | sed 's/.*"name":"\([^"]*\)".*"support":"\([^"]*\)".*/\1 \2/' | sed 's/ likely$/ yes/; s/ present$/ yes/; s/ unlikely$/ no/; s/ absent$/ no/' | sort; }
of by-release >expected
of seen >found
expect "features are told" "$(wc -l <found)" -ge 30
grep -v ' yes$\| no$' found && fail "something is not known"
cmp expected found || { diff expected found; fail "the table of releases is wrong"; }

# words FILE OPTIONS WORD…: each word that the file takes, and no other, may stand in OPTIONS for @.
words() {
    file=$scheme/$1 options=$2
    shift 2
    for word in "$@"; do
        if [ -e "$file" ] && (echo "${word%% *}" >"$file") 2>/dev/null; then echo "${word%% *} taken"; else echo "${word%% *} refused"; fi >>by-kernel
        echo "$options" | sed "s|@|$word|" >option
        if damo start --dry_run $(cat option) >out 2>&1; then echo "${word%% *} taken"; else
            grep -q 'Linux' out || { cat option out >&2; fail "the refusal does not name a release" >&2; }
            echo "${word%% *} refused"
        fi >>by-damo
    done
}
# Of physical memory: not all actions are for processes.
words action "paddr --damos_action @" willneed cold pageout hugepage nohugepage collapse lru_prio lru_deprio "migrate_hot 0" "migrate_cold 0" stat
words filters/0/type "paddr --damos_action stat --damos_filter reject @" anon active young "hugepage_size 2M 2M" unmapped
words quotas/goals/0/target_metric "$pid --damos_action stat --damos_quota_interval 1s --damos_quota_goal @" "user_input 1 1" "some_mem_psi_us 1ms" \
    "node_mem_used_bp 50% 0" "node_mem_free_bp 50% 0" "node_memcg_used_bp 50% 0 /" "node_memcg_free_bp 50% 0 /" \
    "active_mem_bp 50%" "inactive_mem_bp 50%" "node_eligible_mem_bp 50% 0"
unstage
expect "words were tried" "$(wc -l <by-kernel)" = 25
cmp by-kernel by-damo || { diff by-kernel by-damo; fail "the table of words is wrong"; }
note "$(grep -c ' yes$' found) of $(wc -l <found) features, $(grep -c taken by-kernel) of 25 words"
