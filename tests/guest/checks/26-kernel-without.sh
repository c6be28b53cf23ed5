# on a kernel that was built without DAMON, the option is told, and the simulator works
# kernel: 6.1
sleep 1000 &
pid=$!
config=/boot/config-$(uname -r)
expect "this is such a kernel" ! -e $DAMON
refused damo-record --source damon "$pid" --timeout 1 -o none.damo
says "CONFIG_DAMON is not set ($config)" "grep -l CONFIG_DAMON=y /boot/config-*" "damo record --simulate stairs"
says_not "control files"
says_not --snapshot
refused damo-record --snapshot 1s 1 "$pid" -o none.damo
says "CONFIG_DAMON is not set"
refused damo-record -o none.damo
says "CONFIG_DAMON is not set"
refused damo start "$pid"
says "CONFIG_DAMON is not set ($config)"
refused damo status
says "CONFIG_DAMON is not set"
doctor 1 config_damon=MISSING,config_damon_sysfs=MISSING,damon_sysfs=MISSING,events=MISSING
says "--simulate stairs"
damo-record "$pid" --timeout 3 -o referenced.damo 2>said || fail "referenced pages are not recorded in its place"
says "DAMON cannot be used here (CONFIG_DAMON is not set"
is_complete referenced.damo
damo record --simulate stairs -o stairs.damo || fail "what is offered in its place does not work"
is_complete stairs.damo
kill $pid
