"""A service on the database of a Glance whose tasks did not say yet which image they are for."""

import pytest

from calotype.db.engine import connect
from tests.db import older_glance
from tests.db.older_glance import ACTIVE, DELETED
from tests.db.samples import NASTY
from tests.tasks.site import make_service, serving


@pytest.fixture
def service(fresh_url, tmp_path):
    """A service that was given the database of a Glance of Train."""
    database = connect(fresh_url)
    older_glance.make(database, "train_contract01")
    database.close()
    return make_service(tmp_path / "service", database=fresh_url)


def test_it_does_not_start_before_the_upgrade_and_says_what_to_do(service):
    ended = service.run("serve", "--port", str(service.port))

    assert ended.returncode == 1
    assert "train_contract01" in ended.stderr
    assert "run `calotype db sync`" in ended.stderr


def test_after_the_upgrade_images_are_served_and_their_tasks_shown(service):
    with serving(service) as admin:
        mary, otto = admin.as_("mary"), admin.as_("otto")
        image = mary.show(ACTIVE)
        assert (image["name"], image["tags"]) == ("ä 漢字", ["ä"])
        assert [image[f"n{number}"] for number in range(len(NASTY))] == NASTY
        assert "old" not in image
        assert otto.show(ACTIVE)["id"] == ACTIVE  # who is a member
        assert admin.ask("GET", f"/v2/images/{DELETED}").status == 404

        # What Glance did at that time named no image in its row.
        assert mary.tasks(ACTIVE) == []
        begun = admin.begin(ACTIVE)

        task = mary.task(ACTIVE, begun)
        assert (task["image_id"], task["user"]) == (ACTIVE, "admin")
        assert task["request-id"].startswith("req-")
