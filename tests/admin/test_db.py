"""The `db` commands, called as an operator or one of Glance's scripts would call them."""

from datetime import datetime

import pytest
from sqlalchemy import insert, text

from calotype.admin import main
from calotype.admin.db import glance_arguments
from calotype.db import altering, tables
from calotype.db.engine import connect
from tests.db import older_glance
from tests.servers import free_port

OLD = datetime(2020, 1, 1)
GONE = {"created_at": OLD, "deleted": True, "deleted_at": OLD}


@pytest.fixture
def command(fresh_url, tmp_path, capsys):
    """`command(words)`: run it on an empty database; the exit code and what it printed."""
    return runner(fresh_url, tmp_path, capsys)


def runner(url, folder, capsys):
    conf = folder / "glance-api.conf"
    conf.write_text(f"[database]\nconnection = {url}\n")

    def run(words):
        try:
            code = main.main(["--config-file", str(conf), "db", *words.split()])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture
def rows(command, fresh_url):
    """The database with its tables, two deleted images and what hangs on one of them."""
    command("sync")
    database = connect(fresh_url)
    with database.writing() as connection:
        image = {"status": "deleted", "min_disk": 0, "min_ram": 0, **GONE}
        connection.execute(insert(tables.images), [{"id": "a", **image}, {"id": "b", **image}])
        for number in range(3):
            tag = {"image_id": "a", "value": str(number), **GONE}
            connection.execute(insert(tables.image_tags).values(tag))
    yield database
    database.close()


@pytest.mark.parametrize("verb", ["sync", "upgrade", "expand", "sync --version heads", "sync head"])
def test_the_tables_are_made_once(command, verb):
    assert command("version") == (
        0,
        "The database is empty: run `calotype db sync`.\n",
    )
    assert command("check")[0] == 3

    code, said = command(verb)
    assert (code, "2024_1_contract01" in said) == (0, True)

    assert command("version") == (0, "2024_1_contract01\n")
    assert command("check") == (0, "The database is up to date.\n")
    assert command(verb) == (0, "The database is up to date: nothing to do.\n")


def test_the_three_steps_of_an_upgrade(command):
    code, said = command("contract")
    assert (code, "db sync" in said) == (1, True)

    assert [command(step)[0] for step in ("expand", "migrate", "contract")] == [0, 0, 0]


@pytest.fixture
def older(fresh_url):
    """`older(*revisions)`: make the database one of an older Glance."""
    database = connect(fresh_url)
    yield lambda *revisions: older_glance.make(database, *revisions)
    database.close()


HEAD = "The database is now at 2024_1_contract01, with our own tables beside.\n"
NOTHING = "The database is up to date: nothing to do.\n"


@pytest.mark.parametrize("verb", ["sync", "upgrade", "upgrade heads", "sync --version head"])
def test_a_database_of_an_older_glance_is_upgraded(command, older, verb):
    older("ussuri_contract01", "wallaby_expand01")
    assert command("version") == (0, "ussuri_contract01\nwallaby_expand01\n")
    code, said = command("check")
    assert (code, said) == (
        3,
        "The database is at ussuri_contract01, wallaby_expand01, as an older Glance left it:"
        " run `calotype db sync`.\n",
    )

    assert command(verb) == (0, HEAD)

    assert command("version") == (0, "2024_1_contract01\n")
    assert command("check") == (0, "The database is up to date.\n")
    assert command(verb) == (0, NOTHING)


def test_it_is_upgraded_in_three_steps_of_which_the_first_does_all(command, older):
    older("train_contract01")
    code, said = command("contract")
    assert (code, "run `calotype db sync`" in said) == (1, True)
    assert command("version") == (0, "train_contract01\n")

    assert command("expand") == (0, HEAD)
    assert command("migrate") == (0, "No rows need to be changed.\n")
    assert command("contract") == (0, NOTHING)
    assert command("check")[0] == 0


def test_what_glance_expanded_is_contracted(command, older):
    older("2023_1_contract01", "2024_1_expand01")
    assert command("check")[0] == 5

    assert command("migrate")[0] == 0
    assert command("contract") == (0, HEAD)

    assert command("check")[0] == 0


@pytest.mark.parametrize("engine_name", ["mariadb", "postgresql"])
def test_it_says_that_others_use_a_table(command, older, fresh_url, monkeypatch):
    older("train_contract01")
    monkeypatch.setattr(altering, "TABLE_WAIT", 1)
    user = connect(fresh_url)
    with user.writing() as connection:
        connection.execute(text("SELECT count(*) FROM tasks")).all()

        code, said = command("sync")

    user.close()
    assert code == 1
    assert "Others use a table that has to be changed: run it again when" in said
    assert command("sync") == (0, HEAD)


def test_another_revision_is_refused(command):
    code, said = command("sync --version train_contract01")

    assert code == 1
    assert "version: train_contract01" in said
    assert command("check")[0] == 3


@pytest.mark.parametrize(
    ("revision", "code"),
    [("rocky_contract02", 3), ("2024_1_expand01", 5), ("2044_1_contract01", 1)],
)
def test_what_is_not_ours_to_upgrade_is_left_alone(command, rows, revision, code):
    with rows.writing() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))

    assert command("check")[0] == code
    assert command("version") == (0, f"{revision}\n")
    status, said = command("sync")
    assert (status, revision in said) == (1, True)


@pytest.mark.parametrize(
    "option", ["--age-in-days 30 --max-rows 2", "--age_in_days=30 --max_rows=2"]
)
def test_purge_removes_rows_within_limits(command, rows, option):
    code, said = command(f"purge {option}")

    assert code == 0
    assert "image_tags: 2 rows removed" in said


@pytest.mark.parametrize("verb", ["purge-images-table", "purge_images_table"])
def test_images_are_purged_when_nothing_hangs_on_them(command, rows, verb):
    code, said = command(verb)
    assert code == 0
    assert "images: 1 rows removed" in said
    assert "1 deleted images are kept" in said

    command("purge")
    assert command(verb) == (0, "images: 1 rows removed\n")


@pytest.mark.parametrize("words", ["purge --age-in-days -1", "purge_images_table --max_rows -2"])
def test_impossible_numbers_are_refused(command, rows, words):
    code, said = command(words)

    assert code == 1
    assert ("age_in_days: -1" in said) or ("max_rows: -2" in said)


@pytest.mark.parametrize("words", ["", "purge --age-in-days soon", "vacuum"])
def test_wrong_usage_is_exit_code_2(tmp_path, capsys, words):
    assert runner("sqlite://", tmp_path, capsys)(words)[0] == 2


def test_without_an_address_it_says_what_to_set(tmp_path, capsys):
    code, said = runner("", tmp_path, capsys)("sync")

    assert code == 1
    assert "[database] connection" in said


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path, capsys):
    address = f"mysql+pymysql://glance:secret@127.0.0.1:{free_port()}/glance"

    code, said = runner(address, tmp_path, capsys)("sync")

    assert code == 1
    assert "glance:***@127.0.0.1" in said
    assert "refused" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("db sync", "db sync"),
        ("db_sync", "db sync"),
        ("--config-file a.conf db_sync", "--config-file a.conf db sync"),
        ("--debug --log-file /x db_version", "db version"),
        ("--log-dir=/x db purge --age_in_days 3", "db purge --age_in_days 3"),
    ],
)
def test_the_spelling_of_glances_scripts(written, meant):
    assert glance_arguments(written.split()) == meant.split()
