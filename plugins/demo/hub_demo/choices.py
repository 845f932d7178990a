"""Lists to choose from, and what is found."""

from __future__ import annotations

from hub import Turn
from hub_demo.entries import Element, Entry, Reply, always, command, options, text, texts

USUAL_PREFIX = "%s. "
OTHER_PREFIX = "Text %s for "
DRINKS = (("Tea", "order tea"), ("Coffee", "order coffee"), ("Water, please", "order water"))
MEANT = (
    ("I'd like to open an account", "open an account"),
    ("I'd like to close my account", "close an account"),
    ("None of the above", "none of the above"),
)
NOTED = "A person sees the header and what the first result says, nothing more."
RESULT = {
    "id": "1",
    "title": "Opening hours",
    "body": "We are open from nine to five.",
    "url": "https://www.example.com/hours",
    "result_metadata": {"confidence": 0.9, "score": 12.5},
    "highlight": {"body": ["We are <em>open</em> from nine to five."]},
    "answers": [{"text": "from nine to five", "confidence": 0.8}],
}
OTHER_RESULT = {"id": "2", "title": "Holidays", "body": "We are closed on Sundays.", "result_metadata": {}}


def _prefix(turn: Turn) -> Reply:
    """The prefix stays for the session, so every second time it is set back."""
    other = not turn.session.store.get("other_prefix")
    turn.session.store["other_prefix"] = other
    title = "Which one? Text prefix again for the usual numbers." if other else "Which one? The usual numbers are back."
    prefix = OTHER_PREFIX if other else USUAL_PREFIX
    return Reply([command("smsActSetOptionsConfig", prefixText=prefix), options(title, DRINKS)])


def _suggestion() -> Element:
    return {
        "response_type": "suggestion",
        "title": "Did you mean:",
        "suggestions": [
            {
                "label": label,
                "value": {
                    "input": {"message_type": "text", "text": said, "suggestion_id": f"demo-{number}"},
                    "intents": [{"intent": said.replace(" ", "_"), "confidence": 0.5}],
                },
            }
            for number, (label, said) in enumerate(MEANT, 1)
        ],
    }


def _search() -> tuple[Element, ...]:
    return (
        {
            "response_type": "search",
            "header": "I searched, and found this:",
            "primary_results": [RESULT],
            "additional_results": [OTHER_RESULT],
        },
        {
            "response_type": "search",
            "header": "The same in the other form of the contract:",
            "results": [RESULT, OTHER_RESULT],
        },
        text(NOTED),
    )


def _conversation_search() -> Element:
    return {
        "response_type": "conversation_search",
        "text": "We are open from nine to five, but not on Sundays. (The sources of such an answer are not shown.)",
        "citations_title": "How do we know?",
        "citations": [{"title": RESULT["title"], "text": RESULT["body"], "url": RESULT["url"]}],
        "confidence_scores": {"retrieval_confidence": 0.8, "extractiveness": 0.9},
        "response_length_option": "moderate",
        "search_results": [RESULT],
        "disclaimer": "Generated.",
    }


def suggested(chosen: dict[str, object]) -> Reply:
    """The answer to a chosen suggestion, whose input the hub sends back as it came."""
    return texts(f"You meant: {chosen.get('text', '')}. With it came back the suggestion_id {chosen['suggestion_id']}.")


def _ordered(drink: str, said: str) -> Entry:
    answer = text(f"You chose {drink}. To me the hub said: {said}.")
    return Entry(said, "", always(answer))


ENTRIES = (
    Entry("option", "A list to choose from", always(options("What would you like?", DRINKS)), ("options", "list")),
    Entry("prefix", "The same list with other numbers", _prefix),
    Entry("suggestion", "Did you mean", always(_suggestion()), ("suggestions",)),
    Entry("search", "Search results", always(*_search())),
    Entry("conversation", "A generated answer", always(_conversation_search())),
    *(_ordered(label.removesuffix(", please").lower(), said) for label, said in DRINKS),
)
