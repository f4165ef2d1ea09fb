"""Names, tags and properties: whom they belong to, and what may be in them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cutting import cutting
from terminal import Terminal

from calotype_client import Client
from calotype_client.errors import NotFound, WrongUse
from tests.service import Service


def test_names_are_no_markup(anybody: Terminal, disk: Path) -> None:
    drawn = anybody.watched("image", "create", "[/foo]", "--file", disk, "-c", "status")
    assert "[/foo]" in drawn and "active" in drawn
    assert "[red]" in anybody.watched("image", "create", "[red]", "--file", disk)


def test_names_write_no_commands_to_a_terminal(anybody: Terminal, disk: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b2J\u202ename"
    made = anybody.json("image", "create", evil, "--file", disk, "--property", f"a={evil}")
    assert made["name"] == evil
    seen = r"\x1b]0;owned\x07\x9b2J\u202ename"
    for words in (("list",), ("show", made["id"]), ("save", made["id"], "--file", "x")):
        drawn = anybody.watched("image", *words)
        assert seen in drawn
        assert not set(evil[:1] + "\x07\x9b\u202e") & set(drawn), words
    # What is not read by people is left as it is.
    assert evil in anybody.type("image", "list", "-f", "value").text


def test_hidden_images_have_names(anybody: Terminal) -> None:
    id_ = anybody.json("image", "create", "unlisted", "--hidden")["id"]
    shown = anybody.type("image", "show", "unlisted", "-f", "value", "-c", "id")
    assert (shown.text, shown.complaint) == (f"{id_}\n", "")
    anybody.type("image", "delete", "unlisted")
    anybody.complaint("image", "show", id_, status=3)


def test_tags_of_others_are_kept(anybody: Terminal, client: Client, open_service: Service) -> None:
    image = client.images.create(name="tagged", tags=["old", "gone"])

    def meanwhile(change: Callable[[], None], *words: str) -> None:
        """Make a change after the command has seen the image, and before it changes it."""
        waiting = [change]

        def pace(number: int, count: int) -> None:
            if waiting:
                waiting.pop()()

        with cutting(open_service.port, pace=pace) as proxy:
            anybody.having(OS_ENDPOINT=proxy.url).type("image", *words)

    meanwhile(lambda: client.images.add_tag(image.id, "theirs"), "set", image.id, "--tag", "mine")
    assert set(client.images.get(image.id).tags) == {"old", "gone", "theirs", "mine"}
    meanwhile(lambda: client.images.add_tag(image.id, "more"), "unset", image.id, "--tag", "old")
    assert set(client.images.get(image.id).tags) == {"gone", "theirs", "mine", "more"}
    meanwhile(
        lambda: client.images.remove_tag(image.id, "gone"), "unset", image.id, "--tag", "gone"
    )
    assert set(client.images.get(image.id).tags) == {"theirs", "mine", "more"}


def test_fields_are_no_properties(anybody: Terminal) -> None:
    anybody.type("image", "create", "fields")
    told = {
        "name=x": "name is a field of the image, not a property: use --name",
        "protected=true": (
            "protected is a field of the image, not a property: use --protected, --unprotected"
        ),
        "status=active": "status is a field of the image, not a property",
    }
    for given, said in told.items():
        assert anybody.complaint("image", "set", "fields", "--property", given, status=2) == said
        assert anybody.complaint("image", "create", "x", "--property", given, status=2) == said
    said = anybody.complaint("image", "unset", "fields", "--property", "name", status=2)
    assert said == told["name=x"]


@pytest.mark.parametrize("verb", ["set", "unset"])
def test_nothing_to_change(anybody: Terminal, verb: str) -> None:
    assert anybody.complaint("image", verb, "x", status=2).startswith("Nothing to be ")


def test_booleans_are_filters(client: Client) -> None:
    image = client.images.create(name="filtered", protected=True)
    assert [it.id for it in client.images.list(name="filtered", protected=True)] == [image.id]
    assert list(client.images.list(name="filtered", protected=False)) == []


@pytest.mark.parametrize("dots", [".", ".."])
def test_names_that_would_be_other_addresses(client: Client, dots: str) -> None:
    image = client.images.create(name="kept", tags=["a"])
    for call in (
        lambda: client.images.get(dots),
        lambda: client.images.delete(dots),
        lambda: client.images.remove_tag(image.id, dots),
        lambda: client.members.remove(image, dots),
        lambda: client.tasks.get(dots),
        lambda: client.cache.delete(dots),
        lambda: client.images.delete(image.id, store=dots),
    ):
        with pytest.raises(WrongUse):
            call()
    assert client.images.get(image.id).tags == ("a",)
    with pytest.raises(NotFound):
        client.images.find(dots)
