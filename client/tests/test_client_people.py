"""People with real roles, known to a real Keystone."""

from dataclasses import replace
from pathlib import Path

from terminal import Terminal

from tests.keystone import ADMIN, MEMBER, OTHER, PASSWORD, READER, Keystone, Person
from tests.service import Service

People = dict[Person, Terminal]


def test_who_may_what(people: People, cloud: Service, disk: Path) -> None:
    mary, rita, otto, admin = people[MEMBER], people[READER], people[OTHER], people[ADMIN]
    id_ = mary.json("image", "create", "ours", "--file", disk, "--private")["id"]
    assert mary.type("image", "save", "ours").raw == disk.read_bytes()
    assert rita.json("image", "show", "ours")["id"] == id_
    rita.complaint("image", "create", "mine", status=4)
    rita.complaint("image", "delete", "ours", status=4)
    otto.complaint("image", "show", id_, status=3)
    mary.complaint("image", "hash", id_, status=4)
    assert admin.json("image", "hash", id_, "--wait")["os_hash_algo"] == "sha512"
    assert [it["Type"] for it in mary.json("image", "tasks", id_)] == ["calculate_hash"]
    mary.complaint("cache", "nodes", id_, status=4)
    # Whoever read it first left it in the cache.
    assert admin.json("cache", "nodes", id_) == [{"Node": cloud.url}]
    wrong = mary.having(OS_PASSWORD="wrong")
    wrong.complaint("image", "list", status=4)


def test_members(people: People, keystone: Keystone) -> None:
    mary, otto, red = people[MEMBER], people[OTHER], keystone.projects["red"]
    id_ = mary.json("image", "create", "shared")["id"]
    made = mary.json("image", "member", "add", "shared", red)
    assert made == {"Image ID": id_, "Member ID": red, "Status": "pending"}
    assert otto.json("image", "list", "--name", "shared") == []
    otto.type("image", "member", "set", id_, red, "--accept")
    assert [it["ID"] for it in otto.json("image", "list", "--name", "shared")] == [id_]
    assert mary.json("image", "member", "list", "shared") == [{**made, "Status": "accepted"}]
    assert otto.json("image", "member", "show", id_, red)["Status"] == "accepted"
    mary.type("image", "member", "remove", "shared", red)
    assert mary.json("image", "member", "list", "shared") == []


def test_what_others_offer(people: People, keystone: Keystone) -> None:
    mary, otto, red = people[MEMBER], people[OTHER], keystone.projects["red"]
    offer = mary.json("image", "create", "an offer")["id"]
    mary.type("image", "member", "add", "an offer", red)
    open_ = mary.json("image", "create", "for all", "--community")["id"]
    for name, id_, kind in (("an offer", offer, "shared"), ("for all", open_, "community")):
        shown = otto.type("image", "show", name, "-f", "value", "-c", "id")
        assert shown.text == f"{id_}\n"
        assert shown.complaint == (
            f"WARNING: '{name}' is in none of your lists: it is image {id_} of project "
            f"{keystone.projects['blue']} ({kind})\n"
        )
        otto.complaint("image", "delete", name, status=3)
        otto.complaint("image", "set", name, "--tag", "mine", status=3)
    otto.type("image", "member", "set", "an offer", red, "--accept")
    assert otto.type("image", "show", "an offer").complaint == ""


def test_a_cloud_of_clouds_yaml(people: People, keystone: Keystone) -> None:
    mary = people[MEMBER]
    file = mary.folder / "clouds.yaml"
    file.write_text(
        f"""\
clouds:
  blue:
    region_name: Here
    auth:
      auth_url: {keystone.url}
      username: {MEMBER.name}
      password: {PASSWORD}
      project_name: {MEMBER.project}
      user_domain_id: default
      project_domain_id: default
"""
    )
    person = replace(mary, identity={"OS_CLIENT_CONFIG_FILE": str(file)})
    made = person.json("--os-cloud", "blue", "image", "create", "by-cloud")
    assert made["owner"] == keystone.projects["blue"]
    assert person.having(OS_CLOUD="blue").json("image", "show", "by-cloud")["id"] == made["id"]


def test_a_token_is_enough(people: People, keystone: Keystone) -> None:
    token = keystone.token(MEMBER)
    identity = {
        "OS_AUTH_TYPE": "v3token",
        "OS_AUTH_URL": keystone.url,
        "OS_TOKEN": token,
        "OS_PROJECT_NAME": MEMBER.project,
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_REGION_NAME": "Here",
    }
    person = replace(people[MEMBER], identity=identity)
    shown = person.type("--debug", "image", "list", "-f", "json")
    assert isinstance(shown.json, list)
    assert token not in shown.complaint and "/v2/images" in shown.complaint


def test_secrets_are_masked(people: People, disk: Path) -> None:
    mary, log = people[MEMBER], people[MEMBER].folder / "log"
    words = ("--log-file", log, "image", "create", "masked", "--file", disk, "-f", "json")
    said = mary.type("--debug", *words).complaint
    for shown in (said, log.read_text()):
        assert PASSWORD not in shown
        assert "gAAAA" not in shown  # what tokens of Keystone begin with
        assert "'X-Auth-Token': '***'" in shown
    mary.type("-vv", "--log-file", log, "image", "list")
    assert PASSWORD not in log.read_text() and "gAAAA" not in log.read_text()


def test_what_identity_refuses_is_masked(people: People) -> None:
    guessing = people[MEMBER].having(OS_PASSWORD="a wild guess")
    said = guessing.type("--debug", "image", "list", status=4).complaint
    assert "Traceback" in said and "a wild guess" not in said
