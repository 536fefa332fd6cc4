"""The index over SearchEntry.text, in the database's own way, and an entry for each message that is there already."""

from django.db import migrations

SQLITE = [
    "CREATE VIRTUAL TABLE chat_searchindex USING fts5(text, content='chat_searchentry', content_rowid='id', tokenize='unicode61')",
    """CREATE TRIGGER chat_search_added AFTER INSERT ON chat_searchentry BEGIN
        INSERT INTO chat_searchindex(rowid, text) VALUES (new.id, new.text);
    END""",
    """CREATE TRIGGER chat_search_removed AFTER DELETE ON chat_searchentry BEGIN
        INSERT INTO chat_searchindex(chat_searchindex, rowid, text) VALUES ('delete', old.id, old.text);
    END""",
    """CREATE TRIGGER chat_search_changed AFTER UPDATE OF text ON chat_searchentry BEGIN
        INSERT INTO chat_searchindex(chat_searchindex, rowid, text) VALUES ('delete', old.id, old.text);
        INSERT INTO chat_searchindex(rowid, text) VALUES (new.id, new.text);
    END""",
]
SQLITE_BACK = [f"DROP TRIGGER chat_search_{what}" for what in ("added", "removed", "changed")] + ["DROP TABLE chat_searchindex"]
POSTGRESQL = ["CREATE INDEX chat_searchindex ON chat_searchentry USING gin (to_tsvector('simple', text))"]
POSTGRESQL_BACK = ["DROP INDEX chat_searchindex"]


def make(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def remove(apps, schema_editor):
    for statement in POSTGRESQL_BACK if schema_editor.connection.vendor == "postgresql" else SQLITE_BACK:
        schema_editor.execute(statement)


def fill(apps, schema_editor):
    from chat.search import segment

    alias = schema_editor.connection.alias
    entry = apps.get_model("chat", "SearchEntry").objects.using(alias)
    messages = apps.get_model("chat", "Message").objects.using(alias).exclude(content="").only("id", "content")
    batch = []
    for message in messages.iterator(chunk_size=500):
        batch.append(entry.model(message=message, text=segment(message.content)))
        if len(batch) == 500:
            entry.bulk_create(batch)
            batch = []
    entry.bulk_create(batch)


class Migration(migrations.Migration):
    dependencies = [("chat", "0002_people_see")]
    operations = [migrations.RunPython(make, remove), migrations.RunPython(fill, migrations.RunPython.noop)]
