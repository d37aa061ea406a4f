"""An experiment does not load libraries of instruments that it does not use."""

import json
import subprocess
import sys

LIBRARIES = {"zmq", "msgpack", "bluesky", "bluesky_adaptive", "xarray", "scipy"}


def test_instruments_load_the_libraries_of_none_but_the_one_that_is_built():
    script = (
        "import json, sys, types\n"
        # The rest of the package may load what it needs: this is about the instruments.
        "package = types.ModuleType('nescio.explore')\n"
        "import nescio, pathlib\n"
        "package.__path__ = [str(pathlib.Path(nescio.__file__).parent / 'explore')]\n"
        "sys.modules['nescio.explore'] = package\n"
        "import nescio.explore.instruments\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "nescio.explore.instruments.bluesky" in loaded
    assert not LIBRARIES & loaded
