"""SMS with Twilio."""

from hub import ChannelType, hookimpl
from hub_twilio.sms import SmsTwilio, SmsTwilioSettings


@hookimpl
def register_channels() -> list[ChannelType]:
    """Add the channel ``sms_twilio``."""
    return [ChannelType(name="sms_twilio", title="SMS with Twilio", channel=SmsTwilio, settings=SmsTwilioSettings)]
