"""Pre-message and post-message webhooks as IBM documents them: each route is the URL of one webhook.

WEBHOOK_SECRET=… flask --app app run --port 3000
"""

import os
import re
from io import BytesIO

import jwt
import requests
from flask import Flask, jsonify, request
from PIL import Image

SECRET = os.environ["WEBHOOK_SECRET"]

app = Flask(__name__)


@app.before_request
def verify():
    """The token stands in the header as it is, without the word Bearer."""
    try:
        jwt.decode(request.headers.get("Authorization", ""), SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        return jsonify(error=str(error)), 401


def variables(context):
    """The variables of the assistant: what an answer calls $name."""
    return context.setdefault("skills", {}).setdefault("main skill", {}).setdefault("user_defined", {})


SPANISH = {"hola": "hello", "buenos días": "good morning", "gracias": "thank you"}
FRENCH = {"bonjour": "hello", "merci": "thank you"}


@app.post("/translate")
def translate():
    """Spanish: the whole message goes back, with the language in a variable. French: only the new text."""
    body = request.get_json()
    payload = body["payload"]
    text = payload["input"]["text"].lower()
    if text in SPANISH:
        payload["input"]["text"] = SPANISH[text]
        variables(payload["context"])["language"] = "es"
    elif text in FRENCH:
        return {"payload": {"input": {"text": FRENCH[text]}}}
    return body


PERSONAL = {
    "EMAIL": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "CARD": re.compile(r"\b\d(?:[ -]?\d){12,15}\b"),
    "PHONE": re.compile(r"\+?\d(?:[ -]?\d){6,14}"),
}


@app.post("/redact")
def redact():
    """Remove personal data: the assistant reads [EMAIL1], a private variable holds what it stands for."""
    payload = request.get_json()["payload"]
    originals = {}
    text = payload["input"]["text"]
    for kind, pattern in PERSONAL.items():
        for number, found in enumerate(pattern.findall(text), 1):
            originals[f"[{kind}{number}]"] = found
            text = text.replace(found, f"[{kind}{number}]", 1)
    payload["input"]["text"] = text
    variables(payload["context"])["private"] = {"pii": originals}
    return {"payload": payload}


@app.post("/restore")
def restore():
    """Put personal data back: the post-message webhook of the assistant above."""
    payload = request.get_json()["payload"]
    originals = variables(payload["context"]).get("private", {}).get("pii", {})
    for element in payload["output"]["generic"]:
        for token, original in originals.items():
            if element["response_type"] == "text":
                element["text"] = element["text"].replace(token, original)
    return {"payload": {"output": payload["output"]}}


@app.post("/hours")
def hours():
    """Skip the assistant: with this header the body is the answer, and there is no payload around it."""
    body = request.get_json()
    if not re.search(r"\b(open|hours)\b", body["payload"]["input"]["text"], re.IGNORECASE):
        return body
    answer = {"output": {"generic": [{"response_type": "text", "text": "We are open from 9 to 5."}]}}
    return answer, {"x-watson-assistant-webhook-return": "true"}


@app.post("/picture")
def picture():
    """Process an attached picture: the assistant gets what it is in a variable, and no list."""
    body = request.get_json()
    payload = body["payload"]
    attachments = payload["input"].get("attachments")
    if not attachments:
        return body
    response = requests.get(attachments[0]["url"], timeout=10)
    response.raise_for_status()
    width, height = Image.open(BytesIO(response.content)).size
    variables(payload["context"])["picture"] = {
        "url": attachments[0]["url"],
        "media_type": attachments[0]["media_type"],
        "bytes": len(response.content),
        "width": width,
        "height": height,
    }
    payload["input"]["attachments"] = []
    return {"payload": payload}
