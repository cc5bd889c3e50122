"""`bonafides operate`: what an operator runs once per release, before the services start."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def migrate(
    database_url: Annotated[
        str, typer.Option(envvar="BONAFIDES_OPERATE_DATABASE_URL", help="postgresql://owner@host:port/database")
    ],
    password_file: Annotated[
        Path | None,
        typer.Option(envvar="BONAFIDES_OPERATE_DATABASE_PASSWORD_FILE", help="File with the owner's password."),
    ] = None,
) -> None:
    """Bring every schema to its head; make schemas and roles that are missing. Safe to run twice and at once.

    Example: bonafides operate migrate --database-url postgresql://owner@localhost/bonafides --password-file owner.txt
    """
    from rich.console import Console

    from bonafides import database
    from bonafides.settings import read_optional_secret

    engine = database.connect(database_url, read_optional_secret(password_file, "--password-file"))
    database.migrate(engine)
    Console().print(f"schemas at head: {', '.join(database.migrations())}", highlight=False)


@app.command()
def topics(
    bootstrap: Annotated[str, typer.Option(envvar="BONAFIDES_OPERATE_KAFKA_BOOTSTRAP", help="host:port,host:port")],
    replication: Annotated[
        int, typer.Option(envvar="BONAFIDES_OPERATE_KAFKA_REPLICATION", min=1, max=9, help="Copies of each partition.")
    ] = 3,
) -> None:
    """Create the topics that are missing, with their partitions and retention; refuse a topic of another shape.

    Example: bonafides operate topics --bootstrap localhost:9092 --replication 1
    """
    from rich.console import Console

    from bonafides.kafka_bus import KafkaBusAdmin, KafkaConnection
    from bonafides.topics import TOPICS, dead_letter_topic

    admin = KafkaBusAdmin(KafkaConnection(bootstrap), "bonafides-operate")
    try:
        wanted = (*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS))
        admin.ensure_topics(wanted, replication)
    finally:
        admin.close()
    Console().print(f"topics ready: {', '.join(topic.name for topic in wanted)}", highlight=False)
