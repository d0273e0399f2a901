"""Chromium without a window, spoken to over a pipe: pages as a reader sees them."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
"""Its path; None where there is none."""


_AT_3_AND_4 = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for at, end in zip((3, 4), ends):
    os.dup2(end, at)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Where Chromium looks for its ends of the pipes."""


class Browser:
    """One page in Chromium, over the DevTools protocol.

    Args:
      profile: a folder of its own.
    """

    def __init__(self, profile):
        command_out, self._to = os.pipe()
        self._from, answers_in = os.pipe()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _AT_3_AND_4, str(command_out), str(answers_in)),
                *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
                *(f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(command_out, answers_in),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_out)
        os.close(answers_in)
        self._buffer, self._number, self._session, self.messages = b"", 0, None, []
        targets = self._ask("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self._ask("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def close(self):
        self._session = None
        self._ask("Browser.close")
        self._process.wait(30)
        os.close(self._to)
        os.close(self._from)

    def _ask(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while (answer := self._read()).get("id") != self._number:
            self.messages.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _read(self):
        while b"\0" not in self._buffer:
            more = os.read(self._from, 2**20)
            if not more:
                raise RuntimeError("Chromium has ended")
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)

    def open(self, address, *, width=1280, dark=False, script=True):
        """Loads a page at a width, in a scheme of colours, with or without JavaScript."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < 640,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._ask("Emulation.setScriptExecutionDisabled", value=not script)
        self.messages = []
        self._ask("Page.navigate", url=address)
        while all(m["method"] != "Page.loadEventFired" for m in self.messages):
            self.messages.append(self._read())

    def run(self, expression):
        """The value of an expression of JavaScript, awaited."""
        result = self._ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"])[:2000])
        return result["result"].get("value")

    def picture(self, path):
        """The whole page as a PNG."""
        shot = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def faults(self):
        """What the page has complained of."""
        return [
            m for m in self.messages if m["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")
        ]
