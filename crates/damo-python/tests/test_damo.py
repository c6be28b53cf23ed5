"""The module as its users have it: what it says equals what the command line says, and other libraries take its tables.

Takes the environment variables DAMO (the command line's program) and DAMO_TOP (the project's directory).
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import damo
import duckdb
import matplotlib.image
import pandas
import polars
import pyarrow

TOP = pathlib.Path(os.environ["DAMO_TOP"])
# Recordings of a real kernel, by perf and by the Python tool.
REAL = [TOP / "testdata/real/stairs/perf.data", TOP / "testdata/real/thousand-regions/damon.data"]
PNG = b"\x89PNG\r\n\x1a\n"


def command(*words: object) -> str:
    """What the command line prints."""
    run = subprocess.run([os.environ["DAMO"], *map(str, words)], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return run.stdout.decode()


class Records(unittest.TestCase):
    """A simulated record, whose length is known, and real ones."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = tempfile.TemporaryDirectory()
        cls.stairs = pathlib.Path(cls.directory.name) / "stairs.damo"
        command("record", "--quiet", "--simulate", "stairs", "--seed", 7, "-o", cls.stairs)
        cls.record = damo.open(cls.stairs)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.directory.cleanup()

    def test_a_record_tells_its_name_and_length(self) -> None:
        first = json.loads(command("report", "wss", "--format", "json", self.stairs))["tables"]["percentiles"][0]
        self.assertEqual(self.record.name, first["record"])
        table = polars.DataFrame(self.record.table("snapshots"))
        self.assertEqual(table["start_ns"].min(), 0)
        self.assertAlmostEqual(self.record.seconds, table["end_ns"].max() / 1e9, places=9)
        self.assertEqual(self.record.notes, [])

    def test_regions_equal_those_of_the_raw_report(self) -> None:
        for path in [self.stairs, *REAL]:
            raw = pathlib.Path(self.directory.name) / "raw.parquet"
            command("report", "raw", "-f", "-o", raw, path) if raw.exists() else command("report", "raw", "-o", raw, path)
            expected = polars.read_parquet(raw)
            regions = polars.DataFrame(damo.open(path).table("regions"))
            self.assertEqual(regions.height, expected.height, path)
            same = ["start_ns", "end_ns", "start", "end", "nr_accesses", "age", "partial"]
            # The report has target after target where the record has snapshot after snapshot.
            order = ["start_ns", "start", "end", "nr_accesses"]
            self.assertTrue(regions.select(same).sort(order).equals(expected.select(same).sort(order)), path)
            self.assertTrue((regions["end"] - regions["start"] == regions["size"]).all())
            known = regions.drop_nulls("age_ns")
            self.assertTrue((known["age"] * known["aggregation_ns"] == known["age_ns"]).all())
            raw.unlink()

    def test_snapshots_and_targets_belong_to_the_regions(self) -> None:
        record = damo.open(REAL[0])
        regions, snapshots, targets = (polars.DataFrame(record.table(name)) for name in ["regions", "snapshots", "targets"])
        accessed = regions.filter(polars.col("nr_accesses") > 0).group_by("snapshot").agg(polars.col("size").sum())
        both = snapshots.join(accessed, on="snapshot", how="left").fill_null(0)
        self.assertTrue((both["accessed_bytes"] == both["size"]).all())
        self.assertEqual(snapshots["nr_regions"].sum(), regions.height)
        self.assertEqual(set(snapshots["target"]) - set(targets["target"]), set())
        readings = polars.DataFrame(self.record.table("readings"))
        self.assertGreater(readings["rss"].max(), 90 << 20)
        self.assertTrue(readings["at_ns"].is_between(-1_000_000_000, 61_000_000_000).all())

    def test_every_table_can_be_had_and_has_the_columns_that_it_names(self) -> None:
        self.assertIn("regions", self.record.tables)
        for name in self.record.tables:
            table = self.record.table(name)
            self.assertEqual((table.name, table.shape), (name, (len(table), len(table.columns))))
            self.assertEqual(polars.DataFrame(table).columns, table.columns)

    def test_polars_pandas_pyarrow_and_duckdb_read_the_same(self) -> None:
        regions = self.record.table("regions")
        by_polars = polars.DataFrame(regions)
        by_arrow = pyarrow.table(regions)
        by_pandas = by_arrow.to_pandas()
        by_duckdb = duckdb.sql("SELECT COUNT(*), SUM(size)::UBIGINT, COUNT(DISTINCT target) FROM regions").fetchall()[0]
        expected = (by_polars.height, int(by_polars["size"].sum()), by_polars["target"].n_unique())
        self.assertGreater(expected[0], 1000)
        self.assertEqual(by_duckdb, expected)
        self.assertEqual((by_arrow.num_rows, int(by_pandas["size"].sum()), by_pandas["target"].nunique()), expected)
        targets = self.record.table("targets")
        names = polars.DataFrame(targets)["comm"].to_list()
        self.assertEqual(pyarrow.table(targets).to_pandas()["comm"].tolist(), names)
        self.assertEqual([name for (name,) in duckdb.sql("SELECT comm FROM targets").fetchall()], names)
        self.assertIsInstance(by_pandas, pandas.DataFrame)
        self.assertTrue(polars.from_arrow(by_arrow).equals(by_polars))

    def test_memory_is_shared_not_copied(self) -> None:
        regions = self.record.table("regions")

        def addresses() -> list:
            chunks = pyarrow.table(regions)["start"].chunks
            return [chunk.buffers()[1].address for chunk in chunks]

        first = addresses()
        self.assertEqual(first, addresses())
        self.assertGreater(len(first), 0)

    def test_tables_outlive_their_record(self) -> None:
        kept = pyarrow.table(damo.open(self.stairs).table("regions"))
        self.assertEqual(kept, pyarrow.table(self.record.table("regions")))
        # A stream that nobody reads is given back.
        for _ in range(100):
            self.record.table("targets").__arrow_c_stream__()

    def test_reports_equal_those_of_the_command_line(self) -> None:
        for path in [self.stairs, *REAL]:
            record = damo.open(path)
            for name in ["wss", "nr_regions", "footprints", "record_info", "ages", "wss_profile", "phases"]:
                try:
                    expected = json.loads(command("report", name, "--format", "json", path))["tables"]
                except subprocess.CalledProcessError:
                    # Such as footprints of a recording by perf, which has none. The simulated one has all.
                    self.assertNotEqual(path, self.stairs)
                    with self.assertRaises(damo.DamoError):
                        record.report(name)
                    continue
                report = record.report(name)
                tables = {table: polars.DataFrame(rows).to_dicts() for table, rows in report.tables.items()}
                self.assertEqual(list(tables), list(expected), f"{path}: {name}")
                for table, rows in tables.items():
                    self.assertEqual(json.loads(json.dumps(rows)), expected[table], f"{path}: {name}: {table}")

    def test_a_time_range_selects_as_on_the_command_line(self) -> None:
        expected = json.loads(command("report", "wss", "--snapshot_time", "10s", "20s", "--format", "json", self.stairs))
        tables = self.record.report("wss", time_range=(10, 20)).tables
        self.assertEqual(polars.DataFrame(tables["series"]).to_dicts(), expected["tables"]["series"])
        self.assertLess(len(tables["series"]), len(self.record.report("wss").tables["series"]))

    def test_a_time_range_of_a_table_has_the_snapshots_that_overlap_it(self) -> None:
        for name in ["regions", "snapshots"]:
            whole = polars.DataFrame(self.record.table(name))
            part = polars.DataFrame(self.record.table(name, time_range=(10, 20)))
            within = whole.filter((polars.col("start_ns") < 20_000_000_000) & (polars.col("end_ns") > 10_000_000_000))
            self.assertTrue(part.equals(within), name)
            self.assertLess(0, part.height)

    def test_reports_have_text_and_pictures(self) -> None:
        for name in ["heats", "wss", "footprints", "nr_regions", "phases"]:
            report = self.record.report(name)
            self.assertTrue(report.text, name)
            png = report.png(width=800, height=500)
            self.assertTrue(png.startswith(PNG), name)
            path = pathlib.Path(self.directory.name) / f"{name}.png"
            path.write_bytes(png)
            height, width = matplotlib.image.imread(path).shape[:2]
            self.assertEqual((width, height), (800, 500), name)
            self.assertIn("<svg", report.svg(), name)
        self.assertTrue(self.record.report("wss")._repr_png_().startswith(PNG))

    def test_mistakes_are_told_in_sentences(self) -> None:
        with self.assertRaisesRegex(KeyError, "there is no report .*wsss.*wss"):
            self.record.report("wsss")
        with self.assertRaisesRegex(KeyError, "there is no table .*region.*regions"):
            self.record.table("region")
        with self.assertRaisesRegex(damo.DamoError, "nothing.damo"):
            damo.open(pathlib.Path(self.directory.name) / "nothing.damo")
        with self.assertRaises(damo.DamoError):
            self.record.report("wss", time_range=(1000, 2000))
        with self.assertRaisesRegex(damo.DamoError, "width|height|pixels|size"):
            self.record.report("wss").png(width=1)

    def test_a_record_is_read_from_several_threads(self) -> None:
        sums = []

        def ask() -> None:
            sums.append(polars.DataFrame(self.record.table("regions"))["size"].sum())

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(sums), 4)
        self.assertEqual(len(set(sums)), 1)

    def test_the_example_draws_its_picture(self) -> None:
        picture = pathlib.Path(self.directory.name) / "idle.png"
        example = TOP / "crates/damo-python/examples/idle.py"
        subprocess.run([sys.executable, example, self.stairs, picture], check=True)
        self.assertTrue(picture.read_bytes().startswith(PNG))
        self.assertGreater(matplotlib.image.imread(picture).std(), 0.05)


if __name__ == "__main__":
    unittest.main()
