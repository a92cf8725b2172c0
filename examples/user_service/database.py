"""The users in the database; every function here blocks."""

from __future__ import annotations

from sqlalchemy import Engine, String, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from tracekit import instrument

Database = sessionmaker[Session]

NAME_LENGTH = 50


class Base(DeclarativeBase):
    """What the tables have in common."""


class User(Base):
    """A user; no two have the same name."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH), unique=True)


def make_engine(url: str) -> Engine:
    """Make an engine for `sqlite:///PATH` or `postgresql://…`."""
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(parsed)


@instrument(skip=["engine"])
def open_database(engine: Engine) -> Database:
    """Create the tables that are missing, and return what makes sessions."""
    Base.metadata.create_all(engine)
    return sessionmaker(engine, expire_on_commit=False)


@instrument(skip=["db"])
def insert_user(db: Database, name: str) -> User:
    """Store a new user."""
    with db.begin() as session:
        user = User(name=name)
        session.add(user)
    return user


@instrument(skip=["db"])
def find_user(db: Database, user_id: int) -> User | None:
    """Return a user, or None if there is none with this id."""
    with db() as session:
        return session.get(User, user_id)


@instrument(skip=["db"], ret=True)
def remove_user(db: Database, user_id: int) -> bool:
    """Delete a user; tell whether there was one."""
    with db.begin() as session:
        user = session.get(User, user_id)
        if user is not None:
            session.delete(user)
    return user is not None
