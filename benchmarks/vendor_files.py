"""Small files in the formats of the makers of diffractometers, written from the descriptions of these formats."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

__all__ = ["brml", "brml_scan", "bruker_raw_3", "bruker_raw_4", "ras", "rasx", "zipped"]

_LINES = (1.5406, 1.54439, 0.5)


def _text(text: str, size: int) -> bytes:
    return text.encode("latin-1").ljust(size, b"\0")


def bruker_raw_3(
    *ranges: Sequence[float],
    start: Sequence[float] = (10.0,),
    step: float = 0.5,
    kind: int = 0,
    lines: tuple[float, float, float] = _LINES,
    angles: Sequence[float] = (),
    extra: bytes = b"",
) -> bytes:
    """Return a RAW file of version 3: intensities of each range, its start, and perhaps the angles of each point."""
    head = bytearray(712)
    head[:7] = b"RAW1.01"
    struct.pack_into("<I", head, 12, len(ranges))
    head[608:612] = _text("Cu", 4)
    struct.pack_into("<ddddd", head, 616, 1.5418, lines[0], lines[1], 1.39222, lines[2])
    parts = [bytes(head)]
    for number, counts in enumerate(ranges):
        one = bytearray(304)
        struct.pack_into("<II", one, 0, 304, len(counts))
        first = start[min(number, len(start) - 1)]
        struct.pack_into("<dd", one, 8, first / 2, first)
        struct.pack_into("<d", one, 176, step)
        struct.pack_into("<fI", one, 192, 1.5, kind)
        struct.pack_into("<d", one, 240, 1.7890)
        stride = 12 if angles else 4
        struct.pack_into("<III", one, 248, int(bool(angles)), stride, len(extra))
        parts += [bytes(one), extra]
        for index, count in enumerate(counts):
            parts.append(struct.pack("<f", count) + (struct.pack("<d", angles[index]) if angles else b""))
    return b"".join(parts)


def _segment(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, 8 + len(content)) + content


def _drive(name: str, flag: int, position: float) -> bytes:
    return _segment(50, struct.pack("<I", flag) + _text(name, 44) + struct.pack("<d", position) + bytes(28))


def bruker_raw_4(
    *ranges: Sequence[float],
    start: float = 20.0,
    step: float = 0.25,
    scan: str = "Locked Coupled",
    drive: str = "2Theta",
    source: bool = True,
    stride: int = 4,
) -> bytes:
    """Return a RAW file of version 4: intensities of each range."""
    parts = [b"RAW4.00\0".ljust(61, b"\0"), _segment(10, bytes(4) + _text("USER", 24) + b"someone\n")]
    if source:
        tube = bytes(64) + struct.pack("<ddddd", 1.5418, _LINES[0], _LINES[1], 1.39222, _LINES[2]) + bytes(4)
        parts.append(_segment(30, tube + _text("Cu", 20)))
    for counts in ranges:
        drives = _drive(drive, 2, start) + _drive("Chi", 0, 0.0) + _segment(110, bytes(24))
        head = bytearray(160)
        head[32:56] = _text(scan, 24)
        struct.pack_into("<ddIf", head, 72, start, step, len(counts), 2.0)
        struct.pack_into("<d", head, 112, 1.7890)
        struct.pack_into("<II", head, 136, stride, len(drives))
        parts += [bytes(head), drives]
        parts += [struct.pack("<f", count).ljust(stride, b"\1") for count in counts]
    return b"".join(parts)


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """Return a ZIP archive of members by name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def brml_scan(
    rows: Sequence[Sequence[float]],
    *,
    axes: Sequence[str] = ("TwoTheta", "Theta"),
    views: str = "",
    places: str = "",
    start: float | None = None,
) -> str:
    """Return the XML of a scan: rows of time, absorption factor, angles and counts."""
    data = "".join(f"<Datum>{','.join(map(str, row))}</Datum>" for row in rows)
    first = rows[0][2] if start is None and rows else start
    scanned = "".join(f'<ScanAxisInfo AxisId="{axis}"><Start>{first}</Start></ScanAxisInfo>' for axis in axes)
    return (
        f'<?xml version="1.0"?><RawData><ExtLocations>{places}</ExtLocations><DataRoutes>'
        f'<DataRoute RouteFlag="Measured"><ScanInformation ScanName="Scan"><TimePerStep>2</TimePerStep>'
        f"<ScanAxes>{scanned}</ScanAxes></ScanInformation>{data}<DataViews>{views}</DataViews></DataRoute></DataRoutes>"
        '<FixedInformation><Instrument><TubeMaterial>Cu</TubeMaterial><WaveLengthAlpha1 Unit="A" Value="1.5406" />'
        '<WaveLengthAlpha2 Unit="A" Value="1.54439" /><WaveLengthRatio Unit="" Value="0.5" /></Instrument>'
        "</FixedInformation></RawData>"
    )


def brml(*scans: str) -> bytes:
    """Return a BRML file of scans."""
    members = {f"Experiment0/RawData{number}.xml": scan for number, scan in enumerate(scans)}
    return zipped({"Experiment0/DataContainer.xml": "<DataContainer />", **members})


def ras(
    *scans: Sequence[Sequence[float]],
    axis: Sequence[str] = ("TwoThetaTheta",),
    unit: str = "counts",
    line: str = "Ka12",
) -> str:
    """Return a RAS file: rows of angle, intensity and attenuation factor of each scan."""
    lines = ["*RAS_DATA_START"]
    for number, rows in enumerate(scans):
        lines += [
            "*RAS_HEADER_START",
            f'*MEAS_SCAN_AXIS_X_INTERNAL "{axis[min(number, len(axis) - 1)]}"',
            f'*MEAS_SCAN_UNIT_Y "{unit}"',
            '*MEAS_SCAN_SPEED "2.0"',
            '*MEAS_SCAN_SPEED_UNIT "deg/min"',
            '*MEAS_SCAN_STEP "0.5"',
            '*HW_XG_TARGET_NAME "Cu"',
            f'*HW_XG_WAVE_LENGTH_TYPE "{line}"',
            '*HW_XG_WAVE_LENGTH_ALPHA1 "1.540593"',
            '*HW_XG_WAVE_LENGTH_ALPHA2 "1.544414"',
            "*RAS_HEADER_END",
            "*RAS_INT_START",
            *(" ".join(map(str, row)) for row in rows),
            "*RAS_INT_END",
        ]
    return "\r\n".join([*lines, "*RAS_DATA_END", ""])


def rasx(*scans: Sequence[Sequence[float]], axis: str = "TwoTheta", unit: str = "counts") -> bytes:
    """Return a RASX file: rows of angle, intensity and attenuation factor of each scan."""
    members: dict[str, str | bytes] = {"root.xml": "<Root />"}
    for number, rows in enumerate(scans):
        table = "".join("\t".join(map(str, row)) + "\r\n" for row in rows)
        members[f"Data{number}/Profile{number}.txt"] = b"\xef\xbb\xbf" + table.encode()
        members[f"Data{number}/MesurementConditions{number}.xml"] = (
            '<?xml version="1.0" encoding="utf-8"?><MeasurementConditions><HWConfigurations><XrayGenerator>'
            "<TargetName>Cu</TargetName><WaveType>Ka1</WaveType><WavelengthKalpha1>1.540593</WavelengthKalpha1>"
            "<WavelengthKalpha2>1.544414</WavelengthKalpha2></XrayGenerator></HWConfigurations><ScanInformation>"
            f"<AxisName>{axis}</AxisName><Step>0.5</Step><Speed>1.2</Speed><SpeedUnit>sec</SpeedUnit>"
            f"<IntensityUnit>{unit}</IntensityUnit></ScanInformation></MeasurementConditions>"
        )
    return zipped(members)
