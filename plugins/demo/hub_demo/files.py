"""Pictures, sounds, films and documents, all made here or packaged with the plugin: nothing comes over the network."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from hub import Turn
from hub_demo.document import letter
from hub_demo.entries import Element, Entry, Reply, command, text
from hub_demo.picture import sunrise
from hub_demo.sound import notes


@cache
def packaged(name: str) -> bytes:
    """A file that comes with the plugin: ``tune.mp3`` or ``sunrise.mp4``."""
    return files("hub_demo").joinpath("media", name).read_bytes()


def _element(turn: Turn, kind: str, title: str, description: str, data: bytes, media_type: str, name: str) -> Element:
    """An element that shows `data`, which becomes an attachment of the turn so that the hub serves it."""
    source = turn.attachments.add(data, media_type, name).url
    return {
        "response_type": kind, "source": source, "title": title, "description": description, "alt_text": title,
    }  # fmt: skip


def _picture(turn: Turn) -> Reply:
    return Reply([_element(turn, "image", "A sunrise", "Drawn just for you.", sunrise(), "image/png", "sunrise.png")])


def _sound(turn: Turn) -> Reply:
    tune = packaged("tune.mp3")
    return Reply([_element(turn, "audio", "Four notes", "Played just for you.", tune, "audio/mpeg", "tune.mp3")])


def _film(turn: Turn) -> Reply:
    film = packaged("sunrise.mp4")
    return Reply([_element(turn, "video", "A sunrise", "It takes three seconds.", film, "video/mp4", "sunrise.mp4")])


def _link(turn: Turn) -> Reply:
    words = "No MMS carries a WAV file, so the hub sends its address instead of the file."
    return Reply([_element(turn, "audio", "Two notes", words, notes(), "audio/wav", "notes.wav")])


def _media(turn: Turn) -> Reply:
    picture = turn.attachments.add(sunrise(), "image/png", "sunrise.png")
    document = turn.attachments.add(letter(), "application/pdf", "letter.pdf")
    return Reply([
        command("smsActSendMedia", mediaURL=[picture.url, document.url]),
        text("The command smsActSendMedia sends a picture and a PDF, after all texts."),
    ])  # fmt: skip


ENTRIES = (
    Entry("picture", "A picture", _picture, ("image",)),
    Entry("sound", "A sound", _sound, ("audio",)),
    Entry("film", "A film", _film, ("video",)),
    Entry("link", "A file that comes as a link", _link),
    Entry("media", "A picture and a PDF by command", _media, ("pdf",)),
)
