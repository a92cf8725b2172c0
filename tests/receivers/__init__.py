"""Real OTLP receivers beside the tests: over gRPC, over HTTP, and one of another project.

Each listens on a free port of the loopback interface, keeps the batches that
arrive, and answers as the test wants.
"""

from tests.receivers.agent import AgentReceiver
from tests.receivers.answers import Accept, Hang, Receiver, Refuse
from tests.receivers.grpc_server import GrpcReceiver
from tests.receivers.http_server import HttpReceiver
from tests.receivers.relay import Relay
from tests.receivers.spans import SENT, SpanView, finished_spans, view_spans
from tests.receivers.tls import TlsMaterial, make_tls_material

__all__ = [
    "SENT",
    "Accept",
    "AgentReceiver",
    "GrpcReceiver",
    "Hang",
    "HttpReceiver",
    "Receiver",
    "Refuse",
    "Relay",
    "SpanView",
    "TlsMaterial",
    "finished_spans",
    "make_tls_material",
    "view_spans",
]
