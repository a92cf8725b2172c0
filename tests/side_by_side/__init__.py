"""tracekit's provider beside the SDK's: one script on both, with the same observable result.

A script runs on the SDK's `TracerProvider` and on every form of tracekit's (`sides.py`). A journal
records everything that a program can observe, in order: the calls of the sampler, of the id
generator and of the processors, and what was logged, returned and raised. The journals must be
equal. So the installed release of the SDK defines what is right, and not these tests.

Intended differences, which no script observes:

| what | tracekit's |
| --- | --- |
| a span that no exporter wants | `FilteredSpan`, with the context of its parent |
| what processors get at the end | the span itself, which does not change any more |
| the names of the classes, and `repr()` with them | subclasses of the SDK's |
| the text of a `TypeError` about a missing or an unknown argument | names tracekit's class |
| falsy values that are not links, attributes that are not a dict | as with the newest releases |
| the provider after a fork | has the resource of the new process, with every release |
| a processor that is added twice | is called once |
| `shutdown_on_exit`, `atexit` | the set-up's business, not the provider's |
| `Telemetry.shutdown()` and its texts | keep a deadline |
| the resource of a set-up made by the builder | names the process and the instance, too |
| `OTEL_SDK_DISABLED` when the builder builds | spans pass the parent's context on |
"""
