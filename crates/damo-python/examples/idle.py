#!/usr/bin/env python3
"""Draws for how long the memory of a record's targets has been idle, over time.

    idle.py RECORD PICTURE.png

Takes damo, polars and matplotlib.
"""

import sys

import damo
import matplotlib
import polars as pl

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Idle for at least so many seconds, with the label and the colour. What was accessed is idle for no time.
CLASSES = [
    (0.0, "accessed", "#b2182b"),
    (1e-9, "idle < 2 s", "#fddbc7"),
    (2.0, "idle 2 to 10 s", "#92c5de"),
    (10.0, "idle 10 s or longer", "#2166ac"),
]


def idle_bytes(record: damo.Record) -> pl.DataFrame:
    """Mean MiB of each class in the snapshots of each second: `second`, `class` (number in CLASSES), `mib`."""
    regions = pl.DataFrame(record.table("regions"))
    # Memory that was not accessed for less than one snapshot has age 0.
    idle = pl.when(pl.col("nr_accesses") > 0).then(0.0).otherwise(pl.max_horizontal(pl.col("age_ns"), 1) / 1e9)
    regions = regions.with_columns(
        second=pl.col("start_ns") // 1_000_000_000,
        number=sum((idle >= least).cast(pl.Int32) for least, _, _ in CLASSES[1:]),
    )
    snapshots = regions.group_by("second").agg(snapshots=pl.col("start_ns").n_unique())
    sums = regions.group_by("second", "number").agg(pl.col("size").sum()).join(snapshots, on="second")
    mib = pl.col("size") / pl.col("snapshots") / 2**20
    return sums.select("second", pl.col("number").alias("class"), mib.alias("mib")).sort("second", "class")


def main() -> None:
    """Draws the record that is named on the command line."""
    if len(sys.argv) != 3:
        sys.exit("usage: idle.py RECORD PICTURE.png")
    record = damo.open(sys.argv[1])
    table = idle_bytes(record).pivot(on="class", index="second", values="mib").fill_null(0.0).sort("second")
    layers = [table[str(i)] if str(i) in table.columns else [0.0] * len(table) for i in range(len(CLASSES))]
    labels, colours = [label for _, label, _ in CLASSES], [colour for _, _, colour in CLASSES]
    figure, axes = plt.subplots(figsize=(10, 5), layout="constrained")
    axes.stackplot(table["second"], *layers, labels=labels, colors=colours)
    axes.set(xlabel="time (s)", ylabel="memory (MiB)", title=f"Idle memory of {record.name}")
    axes.margins(x=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=len(CLASSES), frameon=False)
    figure.savefig(sys.argv[2], dpi=100)


if __name__ == "__main__":
    main()
