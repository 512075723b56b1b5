"""A hub on the loopback interface: enough of its protocol for one process to push and to fetch."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Hub(ThreadingHTTPServer):
    """`files` of every commit of every repository, (name, commit) -> path -> bytes."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.heads, self.asked = {}, {}, []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"

    def commit(self, name, changes):
        files = {**self.files.get((name, self.heads.get(name)), {}), **changes}
        digest = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.files[name, digest], self.heads[name] = files, digest
        return digest


@contextmanager
def running_hub():
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        parts = path.strip("/").split("/")
        self.server.asked.append((self.command, path))
        if parts[:2] == ["api", "models"]:
            name, rest = "/".join(parts[2:4]), parts[4:]
            commit = self._commit(name, rest[1] if len(rest) > 1 else "main")
            if commit is None:
                return
            files = self.server.files[name, commit]
            if rest[:1] == ["tree"]:
                self._json(
                    [
                        {"type": "file", "path": p, "size": len(c), "oid": _etag(c)}
                        for p, c in files.items()
                    ]
                )
            else:
                siblings = [{"rfilename": p} for p in files]
                self._json({"id": name, "modelId": name, "sha": commit, "siblings": siblings})
        elif len(parts) > 4 and parts[2] == "resolve":
            name = "/".join(parts[:2])
            commit = self._commit(name, parts[3])
            if commit is not None:
                content = self.server.files[name, commit]["/".join(parts[4:])]
                self._answer(200, content, {"ETag": f'"{_etag(content)}"', "X-Repo-Commit": commit})
        else:
            self._answer(404, b"{}", {})

    def do_POST(self):
        path = urlsplit(self.path).path
        self.server.asked.append((self.command, path))
        body = self._body()
        parts = path.strip("/").split("/")
        if self.headers.get("Authorization") != "Bearer hf_write":
            self._answer(401, b'{"error": "Invalid username or password."}', {})
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization')}/{asked['name']}"
            self.server.heads.setdefault(name, None)
            self._json({"url": f"{self.server.address}/{name}", "name": name})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "preupload" in parts:
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            self._json({"files": [{"path": f["path"], **modes} for f in json.loads(body)["files"]]})
        elif "commit" in parts:
            name = "/".join(parts[2:4])
            lines = [json.loads(line) for line in body.splitlines()]
            changes = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            oid = self.server.commit(name, changes)
            address = f"{self.server.address}/{name}/commit/{oid}"
            self._json({"success": True, "commitOid": oid, "commitUrl": address})

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _commit(self, name, revision):
        """The commit that a revision names; answers with the hub's errors where there is none."""
        commit = self.server.heads.get(name) if revision == "main" else revision
        if (name, commit) in self.server.files:
            return commit
        code = "RevisionNotFound" if name in self.server.heads else "RepoNotFound"
        self._answer(404, b"{}", {"X-Error-Code": code})
        return None

    def _json(self, value):
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status, content, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _etag(content):
    return hashlib.sha1(content).hexdigest()
