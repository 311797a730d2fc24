"""A Ledgerline server in a folder of its own, and what its clients ask of it."""

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).parent


class Server:
    """Runs the binary named by CONFORMANCE_BINARY over a new temporary folder."""

    def __init__(self, *roles):
        """With one token of several roles, or a token each for an engineer, an auditor and a producer."""
        self.binary = os.environ["CONFORMANCE_BINARY"]
        self.folder = tempfile.TemporaryDirectory(prefix="ledgerline-conformance-")
        self.data = pathlib.Path(self.folder.name) / "data"
        if roles:
            self.engineer = self.auditor = self.producer = self.token(*roles)
        else:
            self.engineer, self.auditor, self.producer = (self.token(r) for r in ("engineer", "auditor", "producer"))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(pathlib.Path(self.folder.name) / "server.log", "w")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--data", self.data, "--listen", f"127.0.0.1:{port}"],
            stdout=self.log,
            stderr=self.log,
        )
        self.until(lambda: subprocess.run([self.binary, "health", "--url", self.url], capture_output=True).returncode == 0)

    def until(self, ready, seconds=60):
        """Waits until the server says so, or has ended."""
        for _ in range(seconds * 10):
            if ready():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise SystemExit(f"the server did not get ready:\n{pathlib.Path(self.log.name).read_text()}")

    def token(self, *roles):
        command = [self.binary, "token", "create", "--data", self.data, *(f"--role={role}" for role in roles)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def get(self, path, token=None):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {token or self.auditor}"})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def post(self, path, body, content_type="application/json"):
        headers = {"Authorization": f"Bearer {self.engineer}", "Content-Type": content_type}
        request = urllib.request.Request(self.url + path, data=body, headers=headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def ask(self, query, **variables):
        answer = self.post("/graphql", json.dumps({"query": query, "variables": variables}).encode())
        if "errors" in answer:
            raise AssertionError(json.dumps(answer["errors"], indent=1))
        return answer["data"]

    def close(self):
        """Stops it as an operator does, and returns its exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.log.close()
        self.folder.cleanup()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.close()


class Checks:
    """Counts what held, and says what did not."""

    def __init__(self, name):
        self.name, self.passed, self.failed = name, 0, []

    def equal(self, what, got, wanted):
        if got == wanted:
            self.passed += 1
        else:
            self.failed.append(what)
            print(f"{self.name}: {what}\n  got    {got!r}\n  wanted {wanted!r}")

    def true(self, what, holds):
        self.equal(what, bool(holds), True)

    def end(self):
        print(f"{self.name}: {self.passed} passed, {len(self.failed)} failed")
        return 1 if self.failed else 0
