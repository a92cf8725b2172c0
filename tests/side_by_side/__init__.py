"""Our provider beside the SDK's: one script through both, and the same seen from outside.

A script is run on the SDK's `TracerProvider` and on every form of ours (`sides.py`), and what
anyone could see of it is written into a journal: what the sampler and the id generator were asked,
what the processors were given, what was logged, returned and raised, in its order. The journals
must be equal. So these tests say nothing of what is right; the installed SDK says it, whatever its
release.

Intended differences, which no script looks at:

| what | ours |
| --- | --- |
| a span that no filter wants | `FilteredSpan`, with the context of the span around it |
| what processors are given at the end | the span itself, which is over and cannot change |
| the names of the classes, and `repr()` with them | subclasses of the SDK's |
| the text of a `TypeError` about a missing or an unknown argument | names our class |
| what is falsy and no links, or no dict and attributes | as with the newest releases |
| the provider after a fork | goes on as a process of its own, whatever the SDK's release |
| a processor that is added twice | is called once |
| `shutdown_on_exit`, `atexit` | the set-up's business, not the provider's |
| `Telemetry.shutdown()` and its texts | keep a deadline |
| the resource of a set-up made by the builder | names the process and the instance, too |
| `OTEL_SDK_DISABLED` when the builder builds | spans pass the parent's context on |
"""
