"""Records of DAMON, the Linux kernel's data access monitor: open, report."""

from ._damo import DamoError, Record, Report, Table, __version__, open

__all__ = ["DamoError", "Record", "Report", "Table", "__version__", "open"]
