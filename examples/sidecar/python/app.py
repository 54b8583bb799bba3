"""Orders: says who asks for one, and asks the stock service for the goods in it.

Who calls, and as whom it calls others, is the business of the sidecar beside it: there is no word of it here. It copies the headers in COPIED from
each request to its own calls, as one copies a request id.
"""

import json
import os
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STOCK = os.environ.get("STOCK_URL", "http://stock-service/stock/")
COPIED = ["X-Request-Id", "X-Hallpass-Context", "traceparent"]


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"status": "up"})
        number = self.path.rsplit("/", 1)[-1]
        copied = {name: self.headers[name] for name in COPIED if name in self.headers}
        request = urllib.request.Request(STOCK + number, headers=copied)
        try:
            # urllib goes by HTTP_PROXY, which is the sidecar.
            with urllib.request.urlopen(request, timeout=10) as response:
                stock = json.load(response)
        except urllib.error.HTTPError as error:
            stock = {"status": error.code}
        self.answer(200, {"order": number, "customer": self.headers["X-User-Id"], "stock": stock})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Orders).serve_forever()
