import pytest
from tests.learn.toy import ToyPrior, quick

from nescio.learn import Agent, learn


@pytest.fixture(scope="session")
def agent() -> Agent:
    return learn(ToyPrior(), quick(), progress=False)
