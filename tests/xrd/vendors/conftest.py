import pytest

from nescio.xrd.read import read_patterns


@pytest.fixture
def read(tmp_path):
    """Write content under a name, and read it."""

    def write_and_read(name, content, **options):
        path = tmp_path / name
        path.write_bytes(content.encode("latin-1") if isinstance(content, str) else content)
        return read_patterns(path, **options)

    return write_and_read
