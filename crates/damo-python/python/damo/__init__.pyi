"""Records of DAMON, the Linux kernel's data access monitor: open, report.

    import damo, pathlib, polars

    record = damo.open("app.damo")
    regions = polars.DataFrame(record.table("regions"))
    pathlib.Path("wss.png").write_bytes(record.report("wss").png())
"""

import os
from typing import Any, Literal, Optional, Union, final

__version__: str

class DamoError(Exception):
    """What went wrong with a record, in a sentence."""

def open(path: Union[str, os.PathLike[str]]) -> Record:
    """Opens a record of any kind that `damo` reads: `.damo`, the Python tool's, perf's, trace-cmd's. Its content tells which.

    Raises DamoError if it cannot be read. A damaged record is read as far as it goes; `Record.notes` tells.
    """

@final
class Table:
    """A table with named and typed columns.

    It has no methods to compute with: any library that takes Arrow's PyCapsule interface takes it, without a copy.

        polars.DataFrame(table)
        pyarrow.table(table)
        pyarrow.table(table).to_pandas()
        duckdb.sql("SELECT * FROM table")
    """

    @property
    def name(self) -> str:
        """What it is called, such as `percentiles`."""

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def __len__(self) -> int: ...
    def __arrow_c_stream__(self, requested_schema: Optional[Any] = None) -> Any:
        """The rows as a stream of Arrow's. Another schema than the table's own cannot be had."""

@final
class Report:
    """A report on one record, as `damo report NAME` makes it. In notebooks it shows its picture."""

    @property
    def name(self) -> str:
        """Its name, as on the command line."""

    @property
    def text(self) -> str:
        """What the command line prints."""

    @property
    def tables(self) -> dict[str, Table]:
        """Its tables by name, the main one first; the project's docs/tables.md describes their columns."""

    def png(self, width: int = 1200, height: int = 720) -> bytes:
        """The picture as PNG. Raises DamoError if the report has none."""

    def svg(self, width: int = 1200, height: int = 720) -> str:
        """The picture as SVG. Raises DamoError if the report has none."""

    def _repr_png_(self) -> bytes: ...

_ReportName = Literal["heats", "wss", "footprints", "nr_regions", "phases", "record_info", "ages", "wss_profile"]

_TableName = Literal["regions", "snapshots", "targets", "readings"]

@final
class Record:
    """A record: what a monitor saw of one host. It may be used from several threads."""

    @property
    def name(self) -> str:
        """Its name: that of the file."""

    @property
    def seconds(self) -> Optional[float]:
        """From the first snapshot's start to the last one's end, in seconds; None without snapshots."""

    @property
    def notes(self) -> list[str]:
        """What was found wanting when it was opened: damage, guesses of an import."""

    @property
    def tables(self) -> list[_TableName]:
        """The names of the tables."""

    def table(self, name: _TableName, *, time_range: Optional[tuple[float, float]] = None) -> Table:
        """A table. Raises KeyError if there is none of this name.

        `regions` has a row for each region of each snapshot, `snapshots` one for each snapshot; of both, `time_range` chooses
        the snapshots that overlap it, in seconds since the recording began, and no others are decoded. `targets` says what was
        monitored, `readings` what memory processes and the system had. docs/python.md of the project describes the columns.
        """

    def report(self, name: _ReportName, *, time_range: Optional[tuple[float, float]] = None) -> Report:
        """A report. `time_range` is in seconds since the recording began, both ends included.

        Raises KeyError if there is none of this name, DamoError if nothing of the record is in the range.
        """
