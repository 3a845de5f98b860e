"""Serve this folder to browsers of this machine: python serve.py [PORT]

python -m http.server does, too, but says nothing of isolation, and without it a browser gives WebAssembly one thread.
"""

import contextlib
import functools
import http.server
import pathlib
import sys


class Isolated(http.server.SimpleHTTPRequestHandler):
    """Files with the two headers that make a page cross-origin isolated."""

    def end_headers(self):
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


Isolated.extensions_map |= {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    here = functools.partial(Isolated, directory=pathlib.Path(__file__).parent)
    with http.server.ThreadingHTTPServer(("localhost", port), here) as server:
        sys.stdout.write(f"http://localhost:{port}/\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
