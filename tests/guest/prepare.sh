# Makes the guest fit for tests of DAMON; loaded once after boot.

# An emulated CPU keeps accessed pages in a TLB that it hardly ever empties, and DAMON, for good reasons, clears accessed
# bits without flushing it: accesses would become invisible. A real CPU forgets by itself; here address-space switches
# must make it. One mostly sleeping process per CPU, ahead of everything else, is enough.
for cpu in $(seq 0 $(($(nproc) - 1))); do
    taskset "$(printf %x $((1 << cpu)))" chrt -f 50 damo-workload --wake-every 1000 &
done
# With huge pages one accessed bit stands for 2 MiB, more than the workloads' areas can be told apart by.
echo never >/sys/kernel/mm/transparent_hugepage/enabled
# The slim program answers to both names.
ln -sf damo-record /usr/bin/damo
# Space to page out to.
[ ! -e /sys/block/zram0 ] || { echo 512M >/sys/block/zram0/disksize && mkswap /dev/zram0 >/dev/null && swapon /dev/zram0; }
