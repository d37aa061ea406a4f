"""The record of an experiment: one append-only file that survives crashes and power cuts."""

from nescio.trace.export import to_xarray
from nescio.trace.log import ENDINGS
from nescio.trace.records import (
    RECORDS,
    Act,
    ActOutcome,
    DatasetRecord,
    Decision,
    Event,
    Experiment,
    Measurement,
    OutputRecord,
    Record,
    ScalarizerRecord,
    ScalarRecord,
    Seal,
    StoredArray,
    Variable,
    now,
)
from nescio.trace.schema import schema_document
from nescio.trace.trace import Trace
from nescio.trace.verification import verify
from nescio.trace.writers import write_export

__all__ = [
    "ENDINGS",
    "RECORDS",
    "Act",
    "ActOutcome",
    "DatasetRecord",
    "Decision",
    "Event",
    "Experiment",
    "Measurement",
    "OutputRecord",
    "Record",
    "ScalarRecord",
    "ScalarizerRecord",
    "Seal",
    "StoredArray",
    "Trace",
    "Variable",
    "now",
    "schema_document",
    "to_xarray",
    "verify",
    "write_export",
]
