"""The pure part of intake: from headers and bytes to a judgement on every event, and to the answer."""
