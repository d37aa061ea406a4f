"""An acknowledged measurement is in the trace, however the process ends."""

import json
import subprocess
import sys

import numpy as np
import pytest
from tests.trace.toy import experiment

from nescio.trace import Act, Measurement, Trace, verify

KILLS = 10

# A process forks writers and kills each with SIGKILL in the midst of its work; it never opens SQLite before a fork.
SCRIPT = """
import json, os, random, signal, sys, time
import numpy as np
from nescio.errors import TraceError
from nescio.trace import Measurement, ScalarRecord, Trace, now

path, kills = sys.argv[1], int(sys.argv[2])

def write(pipe):
    with Trace.open(path) as trace:
        trace.claim_run()
        number = trace.count(Measurement)
        while True:
            with trace.step():
                spectrum = trace.put_arrays({"counts": np.full(200, number)})
                row = trace.add(Measurement(number=number, candidate=number, position=[0.0], origin="policy",
                                            started=now(), finished=now(), spectrum=spectrum))
                trace.add(ScalarRecord(measurement=row, scalarizer=1, output="mean", value=number))
            os.write(pipe, b"%d\\n" % number)
            number += 1
            # An instrument takes its time, in which others get their turn.
            time.sleep(0.004)

random.seed(0)
acknowledged, refused = [], 0
for kill in range(kills):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            write(writing)
        finally:
            os._exit(1)
    os.close(writing)
    lines = os.read(reading, 1)
    with Trace.open(path) as other:
        other.add_act("pause", who="other")
        try:
            other.claim_run()
        except TraceError:
            refused += 1
    time.sleep(random.uniform(0.0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while part := os.read(reading, 65536):
        lines += part
    os.close(reading)
    acknowledged += [int(line) for line in lines.split()]
assert not {"jax", "xarray"} & set(sys.modules)
print(json.dumps([acknowledged, refused]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_no_acknowledged_measurement_is_lost_when_the_process_is_killed(tmp_path):
    from nescio.trace import ScalarizerRecord

    with Trace.create(tmp_path, experiment()) as trace:
        trace.add(ScalarizerRecord(definition={}, outputs=[{"name": "mean", "unit": "", "long_name": ""}]))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    acknowledged, refused = json.loads(done.stdout)
    assert verify(tmp_path) == []
    with Trace.open(tmp_path, read_only=True) as trace:
        found = trace.all(Measurement)
        # Each number once; at most the last of each writer was on the disk but not yet acknowledged.
        assert [item.number for _, item in found] == list(range(len(found)))
        assert len(set(acknowledged)) == len(acknowledged) >= KILLS
        assert len(acknowledged) <= len(found) <= len(acknowledged) + KILLS
        assert set(acknowledged) <= {item.number for _, item in found}
        for _, item in found:
            assert (trace.get_arrays(item.spectrum)["counts"] == np.int64(item.number)).all()
        # While one ran, no other could; but each could ask for something.
        assert (refused, trace.count(Act)) == (KILLS, KILLS)
