"""The test call of the section: is the scanner there?"""

from __future__ import annotations

import time

from hub import Services, Tested
from hub_attachments.clamd import ScanFailed, address_of, ping
from hub_attachments.settings import AttachmentSettings


def try_scanner(settings: AttachmentSettings, _assistant: str, _services: Services) -> Tested:
    """Ask ClamAV whether it is there; ok too when none is configured."""
    if settings.clamav is None:
        return Tested(True, "nothing: no scanner is configured", "", 0.0)
    began = time.perf_counter()
    try:
        ping(address_of(settings.clamav), settings.clamav_timeout)
        ok, answer = True, "PONG"
    except ScanFailed as error:
        ok, answer = False, f"the scanner failed: {error}"
    return Tested(ok, f"PING to {settings.clamav}", answer, round((time.perf_counter() - began) * 1000, 3))
