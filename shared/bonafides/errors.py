"""The error tree. The class of an error decides its fate: retry, dead letter, or stop.

```
BonafidesError
├── Unavailable          retry with backoff: the broker, the database or the node does not answer
├── InvalidMessage       dead letter: this one message will never be right; the stream goes on
├── InvalidInput         refuse: a caller's mistake, answered with 4xx or exit code 2
│   └── NotFound         404
├── InvalidSettings      do not start: what was set, what was expected
├── MissingTool          do not start: which program or extra is missing and how to get it
└── InvariantViolation   stop and page a human: going on would publish something false
    └── UnknownSchema    stop: a newer version wrote this message; upgrade this process first
```
"""


class BonafidesError(Exception):
    """Root of all errors raised on purpose. The text says what was seen, what was expected and what to do."""


class Unavailable(BonafidesError):
    """Something outside does not answer now and may answer later: retry with backoff."""


class InvalidMessage(BonafidesError):
    """A message or log that will never be right: it goes to the dead letters, with this text as the reason."""


class InvalidInput(BonafidesError):
    """A caller's mistake: refused with a 4xx answer or exit code 2, and never logged as a failure of ours."""


class NotFound(InvalidInput):
    """What was asked for is not here. It does not say that it exists nowhere."""


class InvalidSettings(BonafidesError):
    """A setting that is missing, unknown, or contradicts the world: the process refuses to start."""


class MissingTool(BonafidesError):
    """A program or an extra that is needed and not installed; the text says how to get it."""


class InvariantViolation(BonafidesError):
    """Two facts that cannot both be true: the process stops and pages, and never repairs by itself."""


class UnknownSchema(InvariantViolation):
    """A message of a schema that this version does not know: the process stops, and is upgraded before it goes on.

    No `InvalidMessage`: a producer that was upgraded first writes nothing else, and burying all of it would look as if
    nothing had happened. The offset stays before the message, so nothing is lost meanwhile.
    """
