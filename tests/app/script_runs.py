"""When a page has run: by what the page and the server send each other, whatever time that takes."""

from __future__ import annotations

from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


class ScriptRuns:
    """Follows the runs of a page's script, from before the page is first opened.

    Attributes:
        over: Whether every run that the browser asked for has ended.
    """

    def __init__(self, page: Any) -> None:
        self.over = True
        self._begun = False
        page.on("domcontentloaded", lambda _: self._asked())
        page.on("websocket", self._listen)

    def _listen(self, socket: Any) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _asked(self) -> None:
        self.over = self._begun = False

    def _sent(self, content: bytes) -> None:
        if BackMsg.FromString(content).WhichOneof("type") == "rerun_script":
            self._asked()

    def _received(self, content: bytes) -> None:
        message = ForwardMsg.FromString(content)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self.over, self._begun = False, True
        elif kind == "script_finished":
            another = message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
            self.over = self._begun and not another
