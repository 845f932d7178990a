"""What goes wrong when the hub has to prove who it is."""

from __future__ import annotations

from hub.errors import HubError


class AuthenticationFailed(HubError):
    """No credentials could be had for an outgoing call, which is then not made.

    :param sentence: without secrets: of a token endpoint it names the scheme and host, the status and the OAuth error.
    :param retryable: a later attempt can succeed.
    :param refused: the token endpoint does not take the grant or refresh token; the client itself it may know.
    """

    def __init__(self, sentence: str, *, retryable: bool, refused: bool = False) -> None:
        super().__init__(sentence)
        self.retryable = retryable
        self.refused = refused

    def again(self) -> AuthenticationFailed:
        """The same failure for another caller who waited for the same attempt."""
        return AuthenticationFailed(str(self), retryable=self.retryable, refused=self.refused)
