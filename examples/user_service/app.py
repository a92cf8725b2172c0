"""The routes: users are created, read and deleted."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, TypedDict

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError

from examples.user_service.database import (
    NAME_LENGTH,
    Database,
    User,
    find_user,
    insert_user,
    make_engine,
    open_database,
    remove_user,
)
from tracekit import instrument, run_blocking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class NewUser(BaseModel):
    """What a client says of a user."""

    name: str = Field(min_length=1, max_length=NAME_LENGTH)


class KnownUser(NewUser):
    """What a client is told of a user."""

    model_config = ConfigDict(from_attributes=True)

    id: int


class State(TypedDict):
    """What lives as long as the service."""

    db: Database


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    with TemporaryDirectory() as directory:
        engine = make_engine(os.environ.get("DATABASE_URL") or f"sqlite:///{directory}/users.db")
        yield {"db": await run_blocking(open_database, engine)}
        engine.dispose()


async def get_db(request: Request) -> Database:
    db: Database = request.state.db
    return db


Db = Annotated[Database, Depends(get_db)]

app = FastAPI(title="user-service", lifespan=lifespan)


@app.exception_handler(SQLAlchemyError)
async def answer_database_error(_: Request, __: SQLAlchemyError) -> JSONResponse:
    """Tell the client no details: they are in the trace."""
    return JSONResponse({"detail": "The database failed"}, status_code=500)


@app.post("/users", status_code=201, response_model=KnownUser)
@instrument(skip=["db", "new_user"], fields={"user.name": lambda new_user: new_user.name})
async def create_user(db: Db, new_user: NewUser) -> User:
    return await run_blocking(insert_user, db, new_user.name)


@app.get("/users/{user_id}", response_model=KnownUser)
@instrument(skip=["db"], expected=HTTPException)
async def read_user(db: Db, user_id: int) -> User:
    user = await run_blocking(find_user, db, user_id)
    if user is None:
        raise HTTPException(404, f"There is no user {user_id}")
    return user


@app.delete("/users/{user_id}", status_code=204, response_model=None)
@instrument(skip=["db"], expected=HTTPException)
async def delete_user(db: Db, user_id: int) -> None:
    if not await run_blocking(remove_user, db, user_id):
        raise HTTPException(404, f"There is no user {user_id}")
