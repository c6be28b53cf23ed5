# A program that makes a table of N numbers and goes over it for some seconds: awk -v N=200000 -v SECONDS=4 -f table.awk
BEGIN {
    for (i = 0; i < N; i++) table[i] = i
    # srand gives the seed before it, and seeds with the time of day in seconds.
    srand()
    start = srand()
    do {
        for (i = 0; i < N; i++) sum += table[i]
    } while (srand() - start < SECONDS)
}
