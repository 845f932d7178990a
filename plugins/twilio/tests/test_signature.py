"""Requests of Twilio pass, everything else is refused and nothing else is raised.

``fixtures/signatures.json`` holds one case a situation: what Twilio signed, and the addresses under which the hub may
see the same request. Signatures were computed with the Twilio SDK.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hub_twilio.signature import SignatureChecker
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from hub import WebhookRefused

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
KEY = "webhooks_sharedkey_01"
URL = "https://hub.test/webhooks/main/message"
BY_TOKEN = SignatureChecker([TOKEN])
FORM = [("Body", "hello"), ("From", "+33612345678")]

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "fixtures" / "signatures.json").read_text(encoding="utf-8")
)
CONTRACTS = Path(os.environ.get("HUB_CONTRACTS") or Path(__file__).parents[3].parent / "shared" / "contracts")
VECTORS = CONTRACTS / "signature_vectors.json"

anything = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=60)
fields = st.lists(
    st.tuples(st.sampled_from(["Body", "To", "a", "\uff21", "😀"]) | st.text(max_size=6), st.text(max_size=12))
)


def headers(signature: str, shared_key: str | None = None) -> dict[str, str]:
    found = {"x-twilio-signature": signature}
    if shared_key is not None:
        found["x-twilio-webhooks-signature-settings"] = f"key={shared_key},algorithm=HMAC_SHA256"
    return found


def sign(url: str, form: list[tuple[str, str]], token: str = TOKEN) -> dict[str, str]:
    return headers(RequestValidator(token).compute_signature(url, MultiDict(form)))


def accepts(
    url: str,
    form: list[tuple[str, str]] | None,
    headers: dict[str, str],
    *,
    body: bytes = b"",
    checker: SignatureChecker = BY_TOKEN,
) -> bool:
    try:
        checker.verify(url, form, body, headers)
    except WebhookRefused:
        return False
    return True


def form_of(case: dict[str, Any], name: str) -> list[tuple[str, str]] | None:
    return None if case[name] is None else [(key, value) for key, value in case[name]]


@pytest.mark.parametrize(
    ("case", "url", "expected"),
    [
        pytest.param(case, url, expected, id=f"{case['name']}-{kind}-{number}")
        for case in CASES
        for kind, expected in (("accepted_as", True), ("refused_as", False))
        for number, url in enumerate(case[kind])
    ],
)
def test_situations(case: dict[str, Any], url: str, expected: bool) -> None:
    form, body = form_of(case, "form"), case.get("body", "").encode()
    by_key = SignatureChecker(["other"], {KEY: case["token"]})

    assert accepts(url, form, headers(case["signature"]), body=body) is expected, case["note"]
    assert accepts(url, form, headers(case["signature_sha256"], KEY), body=body, checker=by_key) is expected
    assert not accepts(url, form, headers(case["signature"][::-1]), body=body)
    assert not accepts(url, form, headers(case["signature"]), body=body, checker=SignatureChecker(["other"]))
    if form is not None:
        assert not accepts(url, [*form, ("New", "field")], headers(case["signature"]), body=body)


def provider_vectors() -> list[Any]:
    """Vectors of the provider's own SDKs; they are not part of this repository."""
    if not VECTORS.exists():
        reason = "signature_vectors.json is not here: set HUB_CONTRACTS to its folder"
        return [pytest.param({}, {}, marks=pytest.mark.skip(reason))]
    return [
        pytest.param(vector, seen, id=f"{vector['name']}-{seen['label']}")
        for vector in json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
        for seen in vector["seen_as"]
    ]


LENIENT = {("fragment_dropped", "with_fragment"), ("ws_upgrade", "no_slash")}
"""What both SDKs leave to the caller, and the hub does itself."""


@pytest.mark.parametrize(("vector", "seen"), provider_vectors())
def test_vectors_of_the_provider(vector: dict[str, Any], seen: dict[str, Any]) -> None:
    expected = seen["python_valid"] or seen["node_valid"] or (vector["name"], seen["label"]) in LENIENT
    body = vector.get("body", "").encode()
    form = None if body else form_of(vector, "params")
    by_token = SignatureChecker([vector["auth_token"]])
    by_key = SignatureChecker([], {KEY: vector["auth_token"]})

    assert accepts(seen["url"], form, headers(vector["signature"]), body=body, checker=by_token) is expected
    assert accepts(seen["url"], form, headers(vector["signature_sha256"], KEY), body=body, checker=by_key) is expected


@given(fields, fields)
def test_agrees_with_the_sdk(form: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    signed = sign(URL, form)
    validator = RequestValidator(TOKEN)

    assert accepts(URL, form, signed)
    assert accepts(URL, other, signed) is validator.validate(URL, MultiDict(other), signed["x-twilio-signature"])


@given(st.text(min_size=1, max_size=150), st.text(max_size=30))
def test_secrets_of_any_length_make_the_standard_hmac(secret: str, text: str) -> None:
    expected = {
        algorithm: base64.b64encode(hmac.digest(secret.encode(), (URL + "Body" + text).encode(), algorithm)).decode()
        for algorithm in ("sha1", "sha256")
    }
    checker = SignatureChecker([secret], {KEY: secret})

    assert accepts(URL, [("Body", text)], headers(expected["sha1"]), checker=checker)
    assert accepts(URL, [("Body", text)], headers(expected["sha256"], KEY), checker=checker)
    assert not accepts(URL, [("Body", text)], headers(expected["sha256"]), checker=checker)
    assert not accepts(URL, [("Body", text)], headers(expected["sha1"], KEY), checker=checker)


@given(
    st.one_of(
        anything,
        anything.map("https://".__add__),
        st.from_regex(r"\A(https?|wss?)://([^/]*@)?(\[.*\]|.*):?[0-9]*[/?#].*\Z"),
    ),
    st.none() | st.lists(st.tuples(anything, anything), max_size=4),
    st.binary(max_size=20),
    st.dictionaries(
        st.sampled_from(["x-twilio-signature", "x-twilio-webhooks-signature-settings"]) | anything,
        anything | st.just(f"key={KEY},algorithm=HMAC_SHA256"),
    ),
)
def test_raises_nothing_but_refused(
    url: str, form: list[tuple[str, str]] | None, body: bytes, headers: dict[str, str]
) -> None:
    checker = SignatureChecker([TOKEN], {KEY: "secret"})
    with pytest.raises(WebhookRefused):
        checker.verify(url, form, body, headers)


def test_any_of_several_tokens() -> None:
    checker = SignatureChecker(["old", "new"])

    assert accepts(URL, FORM, sign(URL, FORM, "old"), checker=checker)
    assert accepts(URL, FORM, sign(URL, FORM, "new"), checker=checker)
    assert not accepts(URL, FORM, sign(URL, FORM, "third"), checker=checker)


@pytest.mark.parametrize("secrets", [([""], {}), (["a", ""], {}), (["a"], {KEY: ""})])
def test_empty_secret_is_a_mistake(secrets: tuple[list[str], dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="empty"):
        SignatureChecker(*secrets)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("key=webhooks_sharedkey_02,algorithm=HMAC_SHA256", "not configured"),
        ("algorithm=HMAC_SHA256", "not configured"),
        (f"key={KEY},algorithm=HMAC_MD5", "algorithm"),
        (f"key={KEY},algorithm=HMAC_SHA1", "algorithm"),
        (f"key={KEY}", "algorithm"),
        ("nonsense", "algorithm"),
    ],
)
def test_unknown_shared_key_or_algorithm_is_refused(settings: str, reason: str) -> None:
    checker = SignatureChecker([TOKEN], {KEY: TOKEN})
    with pytest.raises(WebhookRefused, match=reason):
        checker.verify(URL, FORM, b"", sign(URL, FORM) | {"x-twilio-webhooks-signature-settings": settings})


def test_settings_header_with_spaces_and_other_case() -> None:
    signed = base64.b64encode(hmac.digest(b"secret", (URL + "Bodyx").encode(), "sha256")).decode()
    settings = {"x-twilio-webhooks-signature-settings": f" algorithm=hmac_sha256 , key={KEY}, more=1"}

    checker = SignatureChecker([], {KEY: "secret"})
    assert accepts(URL, [("Body", "x")], headers(signed) | settings, checker=checker)


def test_without_tokens_only_shared_keys_count() -> None:
    checker = SignatureChecker([], {KEY: TOKEN})
    with pytest.raises(WebhookRefused, match="none is configured"):
        checker.verify(URL, FORM, b"", sign(URL, FORM))


@pytest.mark.parametrize(
    ("body", "digest", "expected"),
    [
        (b"{}", hashlib.sha256(b"{}").hexdigest(), True),
        (b"", hashlib.sha256(b"").hexdigest(), True),
        (b"{} ", hashlib.sha256(b"{}").hexdigest(), False),
        (b"{}", hashlib.sha256(b"{}").hexdigest()[:63], False),
        (b"{}", "", False),
        (b"{}", "é", False),
    ],
)
def test_body_that_is_no_form_is_covered_by_its_hash(body: bytes, digest: str, expected: bool) -> None:
    for url in (f"{URL}?bodySHA256={digest}", f"{URL}?x=1&bodySHA256={digest}&y=2"):
        assert accepts(url, None, sign(url, []), body=body) is expected


def test_body_without_hash_is_refused() -> None:
    with pytest.raises(WebhookRefused, match="not covered"):
        SignatureChecker([TOKEN]).verify(URL, None, b"{}", sign(URL, []))
    assert not accepts(URL + "?notbodySHA256=x", None, sign(URL + "?notbodySHA256=x", []), body=b"{}")


@pytest.mark.parametrize("given", [{}, {"x-twilio-signature": ""}, {"x-twilio-signature": "falsch, ähnlich"}])
def test_sentence_names_the_place_and_no_secret(given: dict[str, str]) -> None:
    url = "https://user:password@hub.test:8443/webhooks/main/message?secret=value#rc=1"
    with pytest.raises(WebhookRefused, match=r" at https://hub\.test:8443/webhooks/main/message\b") as refused:
        SignatureChecker([TOKEN]).verify(url, FORM, b"", given)
    for secret in (TOKEN, "password", "value", "hello", "+336"):
        assert secret not in str(refused.value)
