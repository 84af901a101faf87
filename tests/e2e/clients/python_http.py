"""Does with requests and httpx what every HTTP client of the stage does, and prints what it saw.

    python python_http.py requests|httpx|httpx2 BASE TOKEN CA

An empty TOKEN or CA means that none is sent or needed.
"""

import asyncio
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlparse

import httpx
import requests

AT_ONCE = 8
UPLOAD = [bytes([number % 251]) * 65536 for number in range(128)]


def show(step, *values):
    print(step, *values, sep=" | ")


def in_threads(ask, urls):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda url: ask("GET", url), urls))


class Requests:
    """requests: HTTP/1.1, one pool of connections."""

    def __init__(self, token, ca):
        self.session = requests.Session()
        # Else a variable of the environment decides which authorities are trusted.
        self.session.trust_env = False
        self.session.verify = ca or True
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, method, url, **more):
        return self.session.request(method, url, timeout=30, **more)

    def download(self, url):
        with self.session.get(url, stream=True, timeout=30) as answer:
            return sum(len(part) for part in answer.iter_content(65536))

    def lines(self, url):
        with self.session.get(url, stream=True, timeout=30) as answer:
            return [line.decode() for line in answer.iter_lines() if line]

    def at_once(self, urls):
        return in_threads(self.ask, urls)

    def path(self, answer):
        return urlparse(answer.url).path


class Httpx:
    """httpx: HTTP/1.1, or HTTP/2 where it is asked for."""

    def __init__(self, token, ca, http2):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.version = "HTTP/2" if http2 else "HTTP/1.1"
        self.options = {"headers": headers, "verify": ca or True, "http2": http2, "timeout": 30}
        self.session = httpx.Client(**self.options)

    def ask(self, method, url, data=None, json=None, allow_redirects=False):
        content = {"json": json} if json is not None else {"content": data}
        answer = self.session.request(method, url, follow_redirects=allow_redirects, **content)
        assert answer.http_version == self.version, answer.http_version
        return answer

    def download(self, url):
        with self.session.stream("GET", url) as answer:
            return sum(len(part) for part in answer.iter_bytes())

    def lines(self, url):
        with self.session.stream("GET", url) as answer:
            return [line for line in answer.iter_lines() if line]

    def at_once(self, urls):
        if self.version == "HTTP/1.1":
            return in_threads(self.ask, urls)
        # Threads that share a connection of HTTP/2 corrupt httpcore's state of it
        # (pydantic/httpx2#808: HEADERS out of order, KeyError); tasks of one thread do not.
        return asyncio.run(self.in_tasks(urls))

    async def in_tasks(self, urls):
        async with httpx.AsyncClient(**self.options) as session:
            turn = asyncio.Semaphore(AT_ONCE)

            async def ask(url):
                async with turn:
                    answer = await session.get(url)
                assert answer.http_version == self.version, answer.http_version
                return answer

            return await asyncio.gather(*map(ask, urls))

    def path(self, answer):
        return answer.url.path


def client(name, token, ca):
    return Requests(token, ca) if name == "requests" else Httpx(token, ca, name == "httpx2")


def main(name, base, token, ca):
    http = client(name, token, ca)
    for path in ["/customers", "/customers/1", "/gzip"]:
        answer = http.ask("GET", base + path)
        show(path, answer.status_code, answer.json())
    posted = http.ask("POST", base + "/echo?a=b%20c&a=d", json={"text": "grün", "numbers": [1, 2.5, None]})
    show("posted", posted.status_code, posted.json()["method"], posted.json()["body"])
    head = http.ask("HEAD", base + "/customers")
    show("head", head.status_code, head.headers["content-type"], len(head.content))
    failed = http.ask("GET", base + "/error")
    show("error", failed.status_code, failed.json()["error"])
    moved = http.ask("GET", base + "/redirect", allow_redirects=True)
    show("redirected", moved.status_code, http.path(moved).removeprefix(urlparse(base).path))
    sent = http.ask("POST", base + "/upload", data=iter(UPLOAD))
    whole = hashlib.sha256(b"".join(UPLOAD)).hexdigest()
    show("uploaded", sent.json()["bytes"], sent.json()["sha256"] == whole)
    show("downloaded", http.download(base + "/big?bytes=8388609"))
    show("events", *http.lines(base + "/events"))
    show("lines", *http.lines(base + "/lines"))
    one_by_one = [http.ask("GET", f"{base}/echo?n={number}").json()["url"][-2:] for number in range(10, 30)]
    show("one by one", one_by_one)
    answers = http.at_once([f"{base}/echo?n={number}" for number in range(10, 74)])
    show("at once", [answer.json()["url"][-2:] for answer in answers])
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"]:
        answer = http.ask(method, base + "/echo", data=None if method == "DELETE" else b"x" * 10)
        show(method, answer.status_code, answer.json()["method"], answer.json()["body"])


main(*sys.argv[1:])
