"""The example `examples/user_service`, driven over HTTP as a process of its own."""

from __future__ import annotations

import os
import pty
import re
import secrets
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from examples.user_service.process import run_service
from tests.pages import ROOT
from tests.receivers import GrpcReceiver, HttpReceiver, SpanView

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx
else:
    for package in ("fastapi", "uvicorn", "sqlalchemy", "psycopg", "httpx"):
        pytest.importorskip(package, reason=f"{package} of the extra `examples` is missing")
    import httpx

POSTGRES = os.environ.get("TRACEKIT_TEST_DATABASE_URL")
DATABASES = [
    "sqlite",
    pytest.param(
        "postgresql",
        marks=pytest.mark.skipif(
            not POSTGRES, reason="TRACEKIT_TEST_DATABASE_URL names no PostgreSQL"
        ),
    ),
]
CALLER = (secrets.token_hex(16), secrets.token_hex(8))
CROWD = 24
DEMO = [sys.executable, "-m", "examples.user_service.demo"]


@dataclass(frozen=True)
class Exchange:
    """A request's answer, and the spans of its trace."""

    response: httpx.Response
    spans: list[SpanView]

    def __getitem__(self, name: str) -> SpanView:
        """The one span whose name begins with this word."""
        (found,) = [span for span in self.spans if span.name.split()[0] == name]
        return found

    @property
    def server(self) -> SpanView:
        (found,) = [span for span in self.spans if span.kind == "SERVER"]
        return found

    @property
    def tree(self) -> Any:
        """Names by names, without database names and the messages of ASGI."""
        (root,) = roots_of(self.spans)
        return self._below(root)

    def _below(self, parent: SpanView) -> Any:
        children = sorted(
            (span for span in self.spans if span.parent_id == parent.span_id),
            key=lambda span: span.start,
        )
        return [
            (span.name.split()[0], self._below(span))
            for span in children
            if not span.scope[0].endswith((".fastapi", ".asgi"))
        ]


@dataclass(frozen=True)
class Story:
    """What a service was asked from its start to its end."""

    exchanges: dict[str, Exchange]
    crowd: list[Exchange]
    spans: list[SpanView]
    exit_code: int | None

    def __getitem__(self, name: str) -> Exchange:
        return self.exchanges[name]


def roots_of(spans: list[SpanView]) -> list[SpanView]:
    """The spans whose parent is none of the spans."""
    ids = {span.span_id for span in spans}
    return [span for span in spans if span.parent_id not in ids]


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment without what the demo, the service or the console take notice of."""
    taken_out = ("OTEL_", "TRACEKIT_", "TRACEPARENT", "DATABASE_URL", "PYTHONIOENCODING")
    taken_out += ("COLUMNS", "NO_COLOR", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(taken_out)}
    return kept | changes


@pytest.fixture(scope="module", params=DATABASES)
def database_url(request, tmp_path_factory) -> Iterator[str]:
    """An empty database that no one else uses."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('database')}/users.db"
        return
    assert POSTGRES is not None
    import psycopg
    from sqlalchemy import make_url

    schema = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        url = make_url(POSTGRES).update_query_dict({"options": f"-csearch_path={schema}"})
        yield url.render_as_string(hide_password=False)
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


def ask(client: httpx.Client) -> dict[str, httpx.Response]:
    """Make each kind of request once, and many at the same time."""
    answers = {"create": client.post("/users", json={"name": "ada"})}
    path = f"/users/{answers['create'].json()['id']}"
    traceparent = f"00-{CALLER[0]}-{CALLER[1]}-01"
    answers |= {
        "read": client.get(path),
        "continue": client.get(path, headers={"traceparent": traceparent}),
        "refuse": client.post("/users", json={"name": ""}),
        "fail": client.post("/users", json={"name": "ada"}),
    }
    with ThreadPoolExecutor(CROWD) as pool:
        crowd = list(pool.map(client.get, [path] * CROWD))
    answers |= {f"crowd {index}": answer for index, answer in enumerate(crowd)}
    answers |= {"delete": client.delete(path), "miss": client.get(path)}
    return answers


@pytest.fixture(scope="module")
def story(database_url) -> Story:
    """The spans of a whole life of the service, as an OTLP receiver got them."""
    with GrpcReceiver() as receiver:
        environment = clean_environment(
            DATABASE_URL=database_url,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            TRACEPARENT=f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        )
        with (
            run_service(environment) as service,
            httpx.Client(base_url=service.url, trust_env=False, timeout=20) as client,
        ):
            answers = ask(client)
        spans = receiver.spans
    exchanges = {name: exchange_of(answer, spans) for name, answer in answers.items()}
    crowd = [exchanges.pop(f"crowd {index}") for index in range(CROWD)]
    return Story(exchanges, crowd, spans, service.exit_code)


def exchange_of(response: httpx.Response, spans: list[SpanView]) -> Exchange:
    """The trace that the answer says it belongs to."""
    trace_id = response.headers["traceresponse"].split("-")[1]
    return Exchange(response, [span for span in spans if span.trace_id == trace_id])


ANSWERS = {
    "create": 201,
    "read": 200,
    "continue": 200,
    "refuse": 422,
    "fail": 500,
    "delete": 204,
    "miss": 404,
}


def test_the_service_answers_as_it_says(story):
    """Each request gets the status and the body that its route promises."""
    assert {name: one.response.status_code for name, one in story.exchanges.items()} == ANSWERS
    assert story["read"].response.json() == story["create"].response.json()
    assert story["fail"].response.json() == {"detail": "The database failed"}
    assert story["miss"].response.json() == {
        "detail": f"There is no user {story['create'].response.json()['id']}"
    }


def test_the_service_ends_in_good_order(story):
    """SIGTERM leads out of the service as an ordinary end."""
    assert story.exit_code == 0


def test_every_request_is_one_trace(story):
    """There is a trace for each request and one for the start, each with a single root."""
    by_trace: dict[str, list[SpanView]] = {}
    for span in story.spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    assert len(by_trace) == 1 + len(ANSWERS) + CROWD
    assert {
        trace_id: len(roots_of(spans)) for trace_id, spans in by_trace.items()
    } == dict.fromkeys(by_trace, 1)


READING = [("read_user", [("find_user", [("connect", []), ("SELECT", [])])])]
TREES = {
    "create": [("create_user", [("insert_user", [("connect", []), ("INSERT", [])])])],
    "read": READING,
    "continue": READING,
    "refuse": [],
    "fail": [("create_user", [("insert_user", [("connect", []), ("INSERT", [])])])],
    "delete": [
        ("delete_user", [("remove_user", [("connect", []), ("SELECT", []), ("DELETE", [])])])
    ],
    "miss": READING,
}


@pytest.mark.parametrize("name", TREES)
def test_the_tree_of_a_request(story, name):
    """Below the server's span hangs the handler, below that its blocking call, below that SQL."""
    assert story[name].tree == TREES[name]


def test_traces_do_not_mix(story):
    """Requests that are served at the same time have whole trees of their own."""
    assert [one.tree for one in story.crowd] == [READING] * CROWD


def test_the_start_is_one_trace(story):
    """What the service does to the database at its start hangs below one span."""
    (root,) = [span for span in story.spans if span.name == "open_database"]
    inside = [span for span in story.spans if span.trace_id == root.trace_id and span is not root]
    assert root.parent_id is None
    assert {span.parent_id for span in inside} == {root.span_id}
    assert {"connect", "CREATE"} <= {span.name.split()[0] for span in inside}


def test_only_the_callers_trace_goes_on(story):
    """A request with `traceparent` continues its trace; TRACEPARENT of the environment does not."""
    parents = {name: one.server.parent_id for name, one in story.exchanges.items()}
    assert parents == dict.fromkeys(ANSWERS) | {"continue": CALLER[1]}
    assert story["continue"].server.trace_id == CALLER[0]


def own_attributes(span: SpanView) -> dict[str, Any]:
    """What was recorded of the call itself."""
    standard = ("code.", "thread.")
    return {name: v for name, v in span.attributes.items() if not name.startswith(standard)}


def test_what_is_recorded_of_a_call(story):
    """Fields and arguments are recorded; what is skipped, such as `db`, is not."""
    user_id = story["create"].response.json()["id"]
    recorded = {
        name: own_attributes(story[exchange][name])
        for exchange, names in {
            "create": ("create_user", "insert_user"),
            "read": ("read_user", "find_user"),
            "delete": ("delete_user", "remove_user"),
        }.items()
        for name in names
    }
    assert recorded == {
        "create_user": {"user.name": "ada"},
        "insert_user": {"name": "ada"},
        "read_user": {"user_id": user_id},
        "find_user": {"user_id": user_id},
        "delete_user": {"user_id": user_id},
        "remove_user": {"user_id": user_id, "return": True},
    }


def test_the_blocking_call_runs_on_another_thread(story):
    """The handler and its blocking call have different threads."""
    handler, call = story["create"]["create_user"], story["create"]["insert_user"]
    assert handler.attributes["thread.id"] != call.attributes["thread.id"]


def test_an_exception_is_an_error_on_its_way(story):
    """What the database raises makes every span an error up to the server's."""
    failed = story["fail"]
    names = ("create_user", "insert_user", "INSERT")
    assert {name: failed[name].status[0] for name in names} == dict.fromkeys(names, "ERROR")
    assert failed.server.status[0] == "ERROR"
    for name in ("create_user", "insert_user"):
        ((event, attributes),) = failed[name].events
        assert (event, attributes["exception.type"]) == (
            "exception",
            "sqlalchemy.exc.IntegrityError",
        )
        # The stack is told once, where the exception began its way.
        has_stack = "insert_user" in attributes.get("exception.stacktrace", "")
        assert has_stack == (name == "insert_user")


def test_what_is_not_there_is_no_error(story):
    """A 404 is noted on the handler's span, and no span of its trace is an error."""
    ((event, attributes),) = story["miss"]["read_user"].events
    assert (event, attributes["exception.type"]) == (
        "exception",
        "fastapi.exceptions.HTTPException",
    )
    assert attributes["exception.expected"] is True
    assert {span.status[0] for span in story["miss"].spans} == {"UNSET"}


def test_a_refusal_is_no_error(story):
    """A body that is not valid makes no span an error."""
    assert {span.status[0] for span in story["refuse"].spans} == {"UNSET"}


def test_every_span_names_the_service(story):
    """All spans have the service's name, those of libraries too."""
    assert {span.resource["service.name"] for span in story.spans} == {"user-service"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_loses_no_span(number):
    """Spans that wait for their batch are delivered when a signal ends the service."""
    with HttpReceiver() as receiver:
        environment = clean_environment(
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
            OTEL_BSP_SCHEDULE_DELAY="600000",
        )
        with run_service(environment) as service:
            answer = httpx.get(f"{service.url}/users/7", trust_env=False, timeout=20)
            assert receiver.spans == []
            os.kill(service.pid, number)
            service.wait()
        assert exchange_of(answer, receiver.spans).tree == READING
    assert service.exit_code == 0


def run_demo(tmp_path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end, with a directory of its own for temporary files."""
    with subprocess.Popen(
        DEMO,
        env=clean_environment(TMPDIR=str(tmp_path), **changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        output, errors = process.communicate(timeout=60)
    assert_nothing_is_left(process.pid, tmp_path)
    return subprocess.CompletedProcess(DEMO, process.returncode, output, errors)


def assert_nothing_is_left(session: int, directory) -> None:
    """Make sure that no process of a session and no file is left."""
    with pytest.raises(ProcessLookupError):
        os.killpg(session, 0)
    assert list(directory.iterdir()) == []


REQUEST = re.compile(r"^(GET|POST|DELETE) /users.* → (\d+)$", re.MULTILINE)


def test_the_demo_shows_each_request_and_then_its_tree(tmp_path):
    """Below each request stands its own tree and no other."""
    done = run_demo(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    start, *rest = REQUEST.split(done.stdout)
    methods, answers, trees = rest[::3], rest[1::3], rest[2::3]
    assert " open_database\n" in start
    assert answers == ["201", "200", "200", "422", "500", "204", "404"]
    for method, answer, tree in zip(methods, answers, trees, strict=True):
        assert len(re.findall(r"^user-service  [0-9a-f]{32}  ", tree, re.MULTILINE)) == 1
        assert re.search(rf"100%  (✗ )?{method} /users", tree)
        assert f"http.status_code={answer}" in tree
    assert "\n7 requests, 7 traces\n" in trees[-1]
    assert "\x1b" not in done.stdout


def test_the_demo_continues_the_trace_of_its_caller(tmp_path):
    """The request with `traceparent` is shown with it, and its tree has that trace's id."""
    lines = run_demo(tmp_path).stdout.splitlines()
    (index,) = [number for number, line in enumerate(lines) if "traceparent: " in line]
    found = re.search("traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-01", lines[index])
    assert found is not None
    assert lines[index + 1].startswith(f"user-service  {found[1]}  ")
    assert f"(continues {found[2]})" in lines[index + 2]


def test_the_demo_sends_its_traces_to_a_receiver(tmp_path):
    """With an OTLP endpoint the demo says where the traces are and prints no tree."""
    with GrpcReceiver() as receiver:
        done = run_demo(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
        spans = receiver.spans
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.findall(r"^trace ([0-9a-f]{32})$", done.stdout, re.MULTILINE)
    assert len(shown) == 7
    received = {span.trace_id for span in spans}
    (start,) = [span.trace_id for span in spans if span.name == "open_database"]
    assert received == {start, *shown}
    assert done.stdout.endswith(f"7 requests, 7 traces, sent to {receiver.endpoint}\n")
    assert "100%" not in done.stdout


def test_the_demo_fails_when_its_traces_do_not_arrive(tmp_path):
    """A receiver that turns the spans down makes the demo fail and say why."""
    with GrpcReceiver(api_key="right") as receiver:
        done = run_demo(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_EXPORTER_OTLP_HEADERS="x-api-key=wrong",
        )
    assert done.returncode == 1
    assert "no valid API key" in done.stderr
    assert "sent to" not in done.stdout


def test_the_demo_says_why_the_service_does_not_start(tmp_path):
    """A database that cannot be reached ends the demo with its error and exit code 1."""
    done = run_demo(tmp_path, DATABASE_URL="postgresql://127.0.0.1:1/users")
    assert done.returncode == 1
    assert "Connection refused" in done.stderr
    last = "demo: the service did not start; its exit code is 3"
    assert done.stderr.splitlines()[-1] == last


def test_the_demo_gets_by_without_traces(tmp_path):
    """Where the sampler drops every trace, the demo waits for none."""
    done = run_demo(tmp_path, OTEL_TRACES_SAMPLER="always_off")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("not recorded") == 7
    assert done.stdout.endswith("\n7 requests, 0 traces\n")


def test_whoever_ends_the_demo_ends_the_service(tmp_path):
    """SIGTERM to the demo alone leaves neither the service nor its database behind."""
    with subprocess.Popen(
        DEMO,
        env=clean_environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.terminate()
        process.communicate(timeout=60)
    assert first.startswith("# The service answers on http://127.0.0.1:")
    assert process.returncode == 130
    assert_nothing_is_left(process.pid, tmp_path)


def test_the_demo_keeps_colour_on_a_terminal(tmp_path):
    """Where the demo writes to a terminal, the trees have colour."""
    terminal, screen = pty.openpty()
    environment = clean_environment(TMPDIR=str(tmp_path), TERM="xterm-256color")
    with subprocess.Popen(DEMO, env=environment, stdout=screen, start_new_session=True) as process:
        os.close(screen)
        output = read_terminal(terminal)
    assert process.returncode == 0
    assert re.search(r"\x1b\[1m# A user is created\x1b\[0m", output)
    assert re.search(r"\x1b\[[0-9;]+m.*create_user", output)


def read_terminal(terminal: int) -> str:
    """Read what is written to a terminal until no one has it open any more."""
    chunks = []
    try:
        while chunk := os.read(terminal, 65_536):
            chunks.append(chunk)
    except OSError:  # Linux says so at the end
        pass
    os.close(terminal)
    return b"".join(chunks).decode()


NAME = re.compile(r"^.{8} +<?\d+% (.*)$", re.MULTILINE)


def names_in(trees: str) -> list[list[str]]:
    """The lines of spans of each tree, down to the names, with the lines that show their place."""
    found = [NAME.findall(tree) for tree in trees.strip().split("\n\n")]
    return [[re.split(r"  \S+=|  client|  server", line)[0] for line in tree] for tree in found]


@pytest.mark.parametrize(("heading", "module"), [("Before", "bare"), ("After", "main")])
def test_the_page_shows_what_the_service_prints(heading, module, tmp_path, monkeypatch):
    """Without `run_blocking` a request is two trees, with it one, span by span as on the page."""
    page = (ROOT / "examples/user_service/README.md").read_text(encoding="utf-8")
    shown = re.findall(rf"^## {heading}.*?```text\n(.*?)```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    environment = clean_environment(
        DATABASE_URL="sqlite:///users.db", PYTHONIOENCODING="utf-8", PYTHONPATH=str(ROOT)
    )
    with run_service(environment, module) as service:
        answer = httpx.post(f"{service.url}/users", json={"name": "ada"}, trust_env=False)
    printed = [
        tree for tree in names_in(service.read_rest()) if tree and "open_database" not in tree[0]
    ]
    assert 201 == answer.status_code
    assert {"Before": 2, "After": 1}[heading] == len(printed)
    assert names_in(shown[0]) == printed
