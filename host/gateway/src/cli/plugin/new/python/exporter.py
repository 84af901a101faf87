"""Posts the journal's entries to an address."""

from tidegate_sdk import Invalid, Want, http
from tidegate_sdk.exporter import serve

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "url": {"type": "string", "pattern": "^https?://"},
        "token": {"type": "string", "pattern": "^secret://", "writeOnly": True},
    },
    "required": ["url", "token"],
    "additionalProperties": False,
}

WANTS = [
    Want("egress", "*", "To deliver to the address that is configured."),
    Want("secret", "*", "To say who delivers."),
]


class Post:
    def __init__(self, config):
        missing = [(f"/{key}", "is missing") for key in ("url", "token") if not config.get(key)]
        if missing:
            raise Invalid(*missing)
        self.url = config["url"]
        # The host puts the secret there.
        self.headers = {"Authorization": f"Bearer {config['token']}", "Content-Type": "application/x-ndjson"}

    def deliver(self, batch):
        # The receiver tells doubles by this: a batch may come again.
        first = {"Batch": f"{batch.log}/{batch.first_seq}"}
        http.request("POST", self.url, {**self.headers, **first}, batch.data).check()
        return batch.all()

    def probe(self):
        http.request("POST", self.url, self.headers).check()


exported = serve(Post, name="{{name}}", version="0.1.0", summary="{{summary}}", schema=SCHEMA, wants=WANTS)
Plugin, Exporter = exported
