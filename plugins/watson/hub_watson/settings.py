"""What is configured for one assistant of IBM watsonx Assistant."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints, model_validator

from hub import Settings

IAM_PATH = "/identity/token"


def _none_if_blank(value: object) -> object:
    """A form sends an empty field where nothing was meant."""
    return None if isinstance(value, str) and not value.strip() else value


def _root(value: str) -> str:
    """A URL that paths are appended to."""
    root = value.strip().rstrip("/").removesuffix(IAM_PATH)
    parts = urlsplit(root)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL that begins with https:// (or http://) and a host name")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must hold neither a user name nor a query nor a fragment")
    return root


def _unquoted(value: str) -> str:
    """The SDK refuses these when it first needs them; better to say so when they are saved."""
    if value.startswith(("{", '"')) or value.endswith(("}", '"')):
        raise ValueError("must not begin or end with a brace or a double quote")
    return value


def _key(value: SecretStr) -> SecretStr:
    """A key or token that is sent in a header."""
    text = value.get_secret_value().strip()
    if not all("!" <= character <= "~" for character in text):
        raise ValueError("must be printable ASCII without blanks")
    return SecretStr(_unquoted(text))


def _password(value: SecretStr) -> SecretStr:
    _unquoted(value.get_secret_value())
    return value


Root = Annotated[str, AfterValidator(_root)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\s/]+$")]
Key = Annotated[SecretStr, AfterValidator(_key)]
Blank = BeforeValidator(_none_if_blank)


class WatsonSettings(Settings):
    """Where the service is, how the hub signs in, and which assistant answers."""

    url: Root = Field(
        title="Service URL",
        description="As shown with the service credentials, up to and including /instances/….",
    )
    auth: Literal["iam", "basic", "bearer", "none"] = Field(
        "iam",
        title="Sign-in",
        description="iam: API key of IBM Cloud; basic: user and password, or an API key; bearer: a fixed token "
        "(Cloud Pak for Data, self-hosted); none.",
    )
    api_key: Annotated[Key | None, Blank] = Field(
        None, title="API key", description="For iam; for basic it is the password of the user apikey."
    )
    iam_url: Root = Field(
        "https://iam.cloud.ibm.com",
        title="IAM URL",
        description="Root of the token service; /identity/token is appended.",
    )
    username: Annotated[str | None, Blank, AfterValidator(lambda value: value and _unquoted(value))] = Field(
        None, title="User name", description="For basic."
    )
    password: Annotated[Annotated[SecretStr, AfterValidator(_password)] | None, Blank] = Field(
        None, title="Password", description="For basic."
    )
    bearer_token: Annotated[Key | None, Blank] = Field(None, title="Bearer token", description="For bearer.")
    assistant_id: Name = Field(
        title="Assistant id",
        description="Id of the assistant. Without an environment id the older URLs are used, which in the new "
        "experience want the environment's id here.",
    )
    environment_id: Annotated[Name | None, Blank] = Field(
        None, title="Environment id", description="Id of the environment (draft, live); empty for the older URLs."
    )
    version: str = Field(
        "2024-08-25",
        title="API version",
        description="Date of the API's version, YYYY-MM-DD.",
        pattern=r"^\d{4}-\d{2}-\d{2}$",
    )
    stateless: bool = Field(
        False,
        title="Stateless",
        description="The hub keeps the whole context and sends it along; the service keeps no session.",
    )
    timeout: float = Field(
        30.0,
        title="Time-out",
        description="Seconds for one answer, with sign-in and a new session where they are needed.",
        gt=0,
        le=300,
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Name the key that the chosen sign-in lacks."""
        present, missing = {
            "iam": (self.api_key, "api_key"),
            "basic": (self.basic_credentials, "username" if self.password else "password"),
            "bearer": (self.bearer_token, "bearer_token"),
            "none": (True, ""),
        }[self.auth]
        if not present:
            raise ValueError(f'{missing} is missing: auth = "{self.auth}" needs it')
        return self

    @property
    def basic_credentials(self) -> tuple[str, str] | None:
        """User and password of Basic sign-in; an API key is the password of the user ``apikey``
        (``watson-developer-cloud/assistant-toolkit``, Node-RED flows)."""
        if self.username and self.password:
            return self.username, self.password.get_secret_value()
        if self.api_key and self.username in (None, "apikey"):
            return "apikey", self.api_key.get_secret_value()
        return None
