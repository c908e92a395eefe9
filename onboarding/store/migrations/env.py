"""What Alembic runs: the migrations, on the connection it was handed."""

from alembic import context

from onboarding.store import gate_tables
from onboarding.store.tables import METADATA

assert gate_tables  # noqa: S101 - importing it is what fills METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
