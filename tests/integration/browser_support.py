"""Pages in headless Chromium, and what their scripts report."""

import http.server
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time

from support import PATIENCE_S

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """One browser that opens `address`; ended by its pid."""

    def __init__(self, address, *options):
        self.folder = tempfile.mkdtemp()
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", f"--user-data-dir={self.folder}", *options, address],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.folder})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=PATIENCE_S)
        # Its helpers end a moment after it, and write there until then.
        end = time.monotonic() + PATIENCE_S
        while os.path.exists(self.folder):
            shutil.rmtree(self.folder, ignore_errors=time.monotonic() < end)


class PageServer:
    """Serves one page and takes what its script reports."""

    def __init__(self, page):
        reports = self.reports = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                body = page().encode()
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):  # pylint: disable=invalid-name
                reports.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
