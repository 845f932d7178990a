"""A simulator, and a receiver in the place of a hub. Both speak real HTTP on free ports."""

from collections.abc import Iterator

import pytest
from hub_simulator.receiver import Receiver
from hub_simulator.testing import RunningSimulator


@pytest.fixture
def hub() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def twilio(hub: Receiver) -> Iterator[RunningSimulator]:
    with RunningSimulator(message_url=hub.url + "/message", numbers=("+15550000001", "+15550000009")) as running:
        running.behave(callbacks={"delay": 0})
        yield running
