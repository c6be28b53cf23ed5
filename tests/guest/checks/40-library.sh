# the library's own tests on a real kernel
# kernel: 6.12 newest
# limit: 150
DAMO_IN_GUEST=1 real_kernel --include-ignored --test-threads=1 || fail "see above"
