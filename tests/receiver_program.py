"""A receiver in a process of its own, to be killed; run by its test, not collected.

Called with the protocol, a port (0 for a free one) and a file, to which it writes the id of each
span as soon as it has arrived, a line each. Says on which port it listens.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.receivers import GrpcReceiver, HttpReceiver


def main(protocol, port, path):
    kind = {"grpc": GrpcReceiver, "http": HttpReceiver}[protocol]

    class Writing(kind):
        def _answer(self, received, unauthenticated):
            answer = super()._answer(received, unauthenticated)
            with lock, Path(path).open("a") as file:
                for whole in received.request.resource_spans:
                    for scoped in whole.scope_spans:
                        file.writelines(f"{span.span_id.hex()}\n" for span in scoped.spans)
            return answer

    lock = threading.Lock()
    receiver = Writing()
    receiver._port = int(port)
    receiver.start()
    sys.stdout.write(f"{receiver._port}\n")
    sys.stdout.flush()
    # Until it is killed, or the test is over.
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
