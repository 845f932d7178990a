"""The account the simulator has unless told otherwise.

Both values are public and open nothing but a simulator, so that a demo can configure the hub alike.
"""

DEMO_ACCOUNT_SID = "AC00000000000000000000000000005111"
DEMO_AUTH_TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - public, see above
DEMO_NUMBER = "+15550000001"
