"""`bonafides operate`: what an operator runs once per release, before the services start."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    epilog="First: bonafides operate migrate, then topics; then the services, in any order.",
)


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

    Example:

      bonafides operate migrate --password-file owner.txt \\
          --database-url postgresql://owner@localhost/bonafides
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
    security_protocol: Annotated[
        str,
        typer.Option(
            envvar="BONAFIDES_OPERATE_KAFKA_SECURITY_PROTOCOL", help="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."
        ),
    ] = "PLAINTEXT",
    sasl_mechanism: Annotated[
        str | None,
        typer.Option(
            envvar="BONAFIDES_OPERATE_KAFKA_SASL_MECHANISM",
            help="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; only with SASL.",
        ),
    ] = None,
    sasl_username: Annotated[str | None, typer.Option(envvar="BONAFIDES_OPERATE_KAFKA_SASL_USERNAME")] = None,
    sasl_password_file: Annotated[
        Path | None,
        typer.Option(envvar="BONAFIDES_OPERATE_KAFKA_SASL_PASSWORD_FILE", help="File with the user's password."),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(envvar="BONAFIDES_OPERATE_KAFKA_CA_FILE", help="CA of the brokers' certificates."),
    ] = None,
) -> None:
    """Create the topics that are missing, with their partitions and retention; refuse a topic of another shape.

    Example:

      bonafides operate topics --bootstrap localhost:9092 --replication 1
    """
    from rich.console import Console

    from bonafides.kafka_bus import KafkaBusAdmin, KafkaConnection
    from bonafides.settings import read_optional_secret
    from bonafides.topics import TOPICS, dead_letter_topic

    connection = KafkaConnection(
        bootstrap,
        security_protocol=security_protocol,
        sasl_mechanism=sasl_mechanism,
        sasl_username=sasl_username,
        sasl_password=read_optional_secret(sasl_password_file, "--sasl-password-file"),
        ssl_cafile=str(ca_file) if ca_file else None,
    )
    admin = KafkaBusAdmin(connection, "bonafides-operate")
    try:
        wanted = (*TOPICS, *(dead_letter_topic(topic) for topic in TOPICS))
        admin.ensure_topics(wanted, replication)
    finally:
        admin.close()
    Console().print(f"topics ready: {', '.join(topic.name for topic in wanted)}", highlight=False)
