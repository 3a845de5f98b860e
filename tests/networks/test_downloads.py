"""Fetching a file from a server that does everything wrong that servers do."""

from __future__ import annotations

import hashlib
import json
import os
import time
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.server import Server, digest, serving

from pixelgrad.errors import DownloadError, OutputError
from pixelgrad.models import Download
from pixelgrad.networks import downloads
from pixelgrad.networks.downloads import fetch
from pixelgrad.networks.files import Progress

CONTENT = np.random.default_rng(0).bytes(600_000)


def get(server: Server, folder: Path, content: bytes = CONTENT, **facts: Any) -> Path:
    """Fetch ``/net.onnx``; nothing but the file itself may be left."""
    if not facts:
        facts = {"sha256": digest(content)}
    fetched = fetch(Download(f"{server.url}/net.onnx", **facts), folder / "net.onnx", patience=0)
    assert (fetched.sha256, fetched.size) == (digest(content), len(content))
    assert [entry.name for entry in folder.iterdir()] == ["net.onnx"]
    assert (folder / "net.onnx").read_bytes() == content
    return folder / "net.onnx"


def refused(server: Server, folder: Path, message: str, **facts: Any) -> str:
    """Fetch in vain: the error, and no file."""
    with pytest.raises(DownloadError) as caught:
        get(server, folder, **(facts or {"sha256": digest(CONTENT)}))
    assert message in str(caught.value)
    assert not (folder / "net.onnx").exists()
    return str(caught.value)


@pytest.mark.parametrize(
    "facts",
    [
        {"sha256": digest(CONTENT), "size": len(CONTENT)},
        {"sha256": digest(CONTENT)[:8]},
        {"sha1": digest(CONTENT, hashlib.sha1)},
        {"about": 1},
    ],
    ids=["sha256", "prefix", "sha1", "nothing-published"],
)
def test_a_file_is_fetched_whole_and_verified(facts: dict[str, Any], tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}) as server:
        get(server, tmp_path, **facts)
        assert server.requests[0][1]["User-Agent"].startswith("pixelgrad/")


def test_a_file_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(CONTENT)
    with serving(files={}) as server:
        get(server, tmp_path)
        assert server.requests == []


def test_a_wrong_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"old")
    with serving(files={"/net.onnx": CONTENT}) as server:
        get(server, tmp_path)


def test_a_dropped_connection_goes_on_where_it_broke(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, drop_after=98304, drops=3) as server:
        get(server, tmp_path)
        assert server.ranges == [None, "bytes=98304-", "bytes=196608-", "bytes=294912-"]
        assert server.sent == len(CONTENT)


def test_an_interrupted_download_goes_on_in_the_next_run(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, slow=0.001) as server:
        with pytest.raises(KeyboardInterrupt):
            fetch(
                Download(f"{server.url}/net.onnx"),
                tmp_path / "net.onnx",
                on_progress=lambda p: (_ for _ in ()).throw(KeyboardInterrupt) if p.done > 200_000 else None,
            )
        kept = (tmp_path / "net.onnx.part").stat().st_size
        assert kept > 200_000
        get(server, tmp_path, about=1)
        assert server.requests[1][1]["Range"] == f"bytes={kept}-"
        assert server.requests[1][1]["If-Range"] == '"one"'


def test_another_version_is_fetched_from_its_start(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT[::-1]}, drop_after=98304, drops=1) as server:
        with pytest.raises(DownloadError):
            _until_it_gives_up(server, tmp_path)
        server.behaviour.files, server.behaviour.tag = {"/net.onnx": CONTENT}, '"two"'
        get(server, tmp_path, about=1)
        assert server.ranges[-1] is not None  # it asked for the rest, and was told that there is a new version


def _until_it_gives_up(server: Server, folder: Path) -> None:
    """Some bytes, then an error for good."""

    def stop(progress: Progress) -> None:
        if progress.done:
            server.behaviour.files = {}

    fetch(Download(f"{server.url}/net.onnx"), folder / "net.onnx", on_progress=stop, patience=0)


def test_without_hash_or_validator_nothing_is_joined(tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(b"of another version")
    with serving(files={"/net.onnx": CONTENT}, tag=None) as server:
        get(server, tmp_path, about=1)
        assert server.ranges == [None]


def test_a_server_without_ranges_starts_anew(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, ranges=False, drop_after=98304, drops=1) as server:
        get(server, tmp_path)
        assert server.ranges == [None, "bytes=98304-"]


def test_a_server_that_sends_another_part_is_not_believed(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, drop_after=98304, drops=1, shift=7) as server:
        get(server, tmp_path)
        assert server.ranges == [None, "bytes=98304-", None]
    with serving(files={"/net.onnx": CONTENT}, drop_after=98304, shift=7) as server:
        refused(server, tmp_path / "other", "the server sent another part of the file than was asked for")


def test_a_server_that_sends_parts_of_parts(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, drop_after=98304, drops=1, slices=200_000) as server:
        get(server, tmp_path, about=1)
        assert server.ranges == [None, "bytes=98304-", "bytes=298304-", "bytes=498304-"]


def test_parts_of_two_versions_are_not_joined(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT[::-1]}, drop_after=98304, drops=1, heeds=False) as server:
        with pytest.raises(DownloadError):
            _until_it_gives_up(server, tmp_path)
        server.behaviour.files, server.behaviour.tag = {"/net.onnx": CONTENT}, '"two"'
        get(server, tmp_path, about=1)


def test_a_part_without_its_version_is_of_the_version_that_was_asked_for(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, drop_after=98304, drops=2, heeds=False) as server:
        download = Download(f"{server.url}/net.onnx", about=1)

        def forget(progress: Progress) -> None:
            if progress.done:
                server.behaviour.tag = None

        fetch(download, tmp_path / "net.onnx", on_progress=forget, patience=0)
        assert server.ranges == [None, "bytes=98304-", "bytes=196608-"]
    assert (tmp_path / "net.onnx").read_bytes() == CONTENT


def test_what_is_to_be_replaced_counts_as_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx.part").write_bytes(bytes(len(CONTENT) - 5))
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with serving(files={"/net.onnx": CONTENT}, ranges=False) as server:
        get(server, tmp_path)


def test_a_body_that_was_compressed_on_the_way(tmp_path: Path) -> None:
    content = bytes(200_000) + CONTENT
    with serving(files={"/net.onnx": content}, gzips=True, drop_after=98304, drops=1) as server:
        get(server, tmp_path, content)
        assert server.ranges[-1] is None


def test_all_of_it_had_come(tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT)
    with serving(files={"/net.onnx": CONTENT}) as server:
        get(server, tmp_path)
        assert server.sent == 0


def test_more_than_all_of_it_had_come(tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT + b"more")
    with serving(files={"/net.onnx": CONTENT}) as server:
        get(server, tmp_path)


def test_a_wrong_hash_is_refused_and_thrown_away(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}) as server:
        message = refused(server, tmp_path, f"its sha256 is {digest(CONTENT)} instead of 0000", sha256="0" * 64)
        assert "thrown away" in message
        refused(server, tmp_path, "instead of 12345678...", sha256="12345678")
        refused(server, tmp_path, "its sha1 is", sha1="0" * 40)
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_stays_short_ends_in_an_error(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT[:16384]}, claim=len(CONTENT), drop_after=16384, ranges=False) as server:
        message = refused(server, tmp_path, "the connection broke")
        assert "16,384 bytes of it are kept" in message
        assert len(server.requests) == 4


def test_a_truncated_body_of_unknown_length_is_seen_by_size_or_hash(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT[:1000]}, claim=0) as server:
        refused(server, tmp_path, "its sha256 is")
        refused(server, tmp_path, "it has 1,000 bytes instead of 600,000", size=len(CONTENT))


def test_a_file_of_another_size_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, slow=0.01) as server:
        refused(server, tmp_path, "has 600,000 bytes at 127.0.0.1:", size=5)
        assert server.sent < len(CONTENT)


def test_an_endless_body_is_cut_off(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT * 20}, claim=0, slow=0.001) as server:
        refused(server, tmp_path, "bytes instead of 1,000", size=1000)
        assert server.sent < len(CONTENT) * 20


@pytest.mark.parametrize("code", [404, 410])
def test_a_file_that_is_gone(code: int, tmp_path: Path) -> None:
    with serving(statuses=[code]) as server:
        message = refused(server, tmp_path, f"is not at {server.url}/net.onnx any more (the server answered {code})")
        assert "--from FOLDER" in message
        assert len(server.requests) == 1


def test_a_refusal(tmp_path: Path) -> None:
    with serving(statuses=[403]) as server:
        refused(server, tmp_path, "answered 403 Forbidden")
        assert len(server.requests) == 1


def test_a_server_in_trouble_is_asked_again(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, statuses=[503, 500, 429]) as server:
        get(server, tmp_path)
    with serving(statuses=[503] * 9) as server:
        refused(server, tmp_path / "other", "the server answered 503 Service Unavailable")
        assert len(server.requests) == 4


@pytest.mark.parametrize("date", [False, True])
def test_a_server_that_says_when_to_come_back(date: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(downloads.time, "sleep", waited.append)

    def after(seconds: int) -> dict[str, str]:
        return {"Retry-After": formatdate(time.time() + seconds, usegmt=True) if date else str(seconds)}

    with serving(files={"/net.onnx": CONTENT}, statuses=[429], headers=after(20)) as server:
        get(server, tmp_path)
    assert max(waited) == pytest.approx(20, abs=2)
    with serving(statuses=[429], headers=after(3600)) as server:
        message = refused(server, tmp_path / "other", "the server answered 429 Too Many Requests and asks to wait")
        assert "60 minutes" in message
        assert len(server.requests) == 1
    with serving(files={"/net.onnx": CONTENT}, statuses=[503], headers={"Retry-After": "soon"}) as server:
        get(server, tmp_path / "third")


def test_a_broken_connection_is_no_wrong_certificate(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}) as server:  # speaks HTTP where TLS is expected
        address = server.url.replace("http:", "https:")
        with pytest.raises(DownloadError) as caught:
            fetch(Download(f"{address}/net.onnx"), tmp_path / "net.onnx", patience=0)
    assert "certificate" not in str(caught.value)
    assert "the encrypted connection broke" in str(caught.value)


def test_a_bundle_of_certificates_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(DownloadError, match=r"nowhere.pem; see REQUESTS_CA_BUNDLE"):
        fetch(Download("https://127.0.0.1:9/net.onnx"), tmp_path / "net.onnx", patience=0)


def test_what_is_of_no_use_to_the_next_run_is_not_kept(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, tag=None, drop_after=98304) as server:
        assert "kept" not in refused(server, tmp_path, "the connection broke", about=1)
    with serving(files={"/net.onnx": CONTENT}, drop_after=1) as server:  # less than what is read at a time
        assert "kept" not in refused(server, tmp_path, "the connection broke")
    with serving(files={"/net.onnx": b"no gzip"}, encoding="gzip") as server:
        refused(server, tmp_path, "what it sends is compressed and damaged")
    with serving(statuses=[416]) as server:
        refused(server, tmp_path, "answered 416")
    assert list(tmp_path.iterdir()) == []


def test_no_server(tmp_path: Path) -> None:
    with serving() as server:
        pass
    refused(server, tmp_path, "it cannot be reached; is there a network?")


def test_a_web_page_in_its_place(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": b"<html>"}, content_type="text/html; charset=utf-8") as server:
        refused(server, tmp_path, "sent a web page instead of net.onnx")
    with serving(files={"/net.onnx": b"\n<!DOCTYPE html><title>Log in</title>"}) as server:
        refused(server, tmp_path, "it is a web page", about=1)
    with serving(files={"/net.onnx": b""}) as server:
        refused(server, tmp_path, "it is empty", about=1)
    assert list(tmp_path.iterdir()) == []


def test_a_pointer_in_its_place(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": b"version https://git-lfs.github.com/spec/v1\noid sha256:12"}) as server:
        refused(server, tmp_path, "only a pointer to the file", about=1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").symlink_to("/dev/full")
    with serving(files={"/net.onnx": CONTENT}) as server, pytest.raises(OutputError) as caught:
        get(server, tmp_path)
    assert "the disk is full at" in str(caught.value)
    assert "PIXELGRAD_HOME" in str(caught.value)


def test_a_disk_that_would_become_full(tmp_path: Path) -> None:
    with serving(files={"/net.onnx": CONTENT}, claim=10**17) as server, pytest.raises(OutputError) as caught:
        get(server, tmp_path)
    assert "are still to come and only" in str(caught.value)
    assert not (tmp_path / "net.onnx.part").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with serving(files={"/net.onnx": CONTENT}) as server, pytest.raises(OutputError) as caught:
        get(server, tmp_path / "file" / "folder")
    assert "cannot be written" in str(caught.value)
    assert "PIXELGRAD_HOME" in str(caught.value)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_place(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with serving(files={"/net.onnx": CONTENT}) as server, pytest.raises(OutputError, match="cannot be written"):
            get(server, tmp_path)
    finally:
        tmp_path.chmod(0o755)


def test_a_proxy_is_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(files={"/net.onnx": CONTENT}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        fetch(Download("http://nowhere.invalid/net.onnx", sha256=digest(CONTENT)), tmp_path / "net.onnx", patience=0)
        assert proxy.requests[0][0] == "http://nowhere.invalid/net.onnx"
    with serving(files={"/net.onnx": CONTENT}) as server:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        (tmp_path / "net.onnx").unlink()
        get(server, tmp_path)


def test_a_proxy_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as proxy:
        pass
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with pytest.raises(DownloadError, match="the proxy does not answer or refuses; see HTTPS_PROXY and NO_PROXY"):
        fetch(Download("http://nowhere.invalid/net.onnx"), tmp_path / "net.onnx", patience=0)


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="could not be fetched"):
        fetch(Download("http://[broken/net.onnx"), tmp_path / "net.onnx", patience=0)


def test_a_mirror_and_a_folder_instead_of_the_publisher(tmp_path: Path) -> None:
    download = Download("http://nowhere.invalid/deep/net.onnx", sha256=digest(CONTENT))
    with serving(files={"/mirror/net.onnx": CONTENT}) as server:
        fetch(download, tmp_path / "a" / "net.onnx", source=f"{server.url}/mirror/", patience=0)
    fetch(download, tmp_path / "b" / "net.onnx", source=str(tmp_path / "a"))
    assert (tmp_path / "b" / "net.onnx").read_bytes() == CONTENT
    with pytest.raises(DownloadError, match=r"there is no net.onnx in"):
        fetch(download, tmp_path / "c" / "net.onnx", source=str(tmp_path))
    (tmp_path / "net.onnx").write_bytes(b"wrong")
    with pytest.raises(DownloadError, match="its sha256 is"):
        fetch(download, tmp_path / "d" / "net.onnx", source=str(tmp_path))


def test_a_folder_whose_files_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download = Download("http://nowhere.invalid/net.onnx")
    with pytest.raises(DownloadError, match="there is no such user"):
        fetch(download, tmp_path / "a" / "net.onnx", source="~nobody-of-that-name")
    (tmp_path / "net.onnx").write_bytes(CONTENT)

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(download, tmp_path / "a" / "net.onnx", source=str(tmp_path), on_progress=stop)
    assert list((tmp_path / "a").iterdir()) == []


def test_who_asked_stays_unnamed(tmp_path: Path) -> None:
    """A user and a password in an address are for the server alone."""
    with serving(statuses=[404, 403]) as server:
        address = server.url.replace("://", "://user:secret@")
        for _ in range(2):
            with pytest.raises(DownloadError) as caught:
                fetch(Download(f"{address}/net.onnx"), tmp_path / "net.onnx", patience=0)
            assert "secret" not in str(caught.value)


def test_progress_that_cannot_be_shown_is_no_full_disk(tmp_path: Path) -> None:
    def gone(progress: Progress) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with serving(files={"/net.onnx": CONTENT}) as server, pytest.raises(BrokenPipeError):
        fetch(Download(f"{server.url}/net.onnx"), tmp_path / "net.onnx", on_progress=gone, patience=0)


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with serving(files={"/net.onnx": CONTENT}) as server:
        download = Download(f"{server.url}/net.onnx", sha256=digest(CONTENT))
        fetch(download, tmp_path / "net.onnx", on_progress=seen.append)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[0].done, seen[0].total, seen[0].file) == (0, len(CONTENT), "net.onnx")
    assert (seen[-1].done, seen[-1].state) == (len(CONTENT), "verifying")


def test_a_damaged_note_of_the_version_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "net.onnx.part").write_bytes(CONTENT[:50])
    (tmp_path / "net.onnx.part.json").write_text(json.dumps(["no", "note"]))
    with serving(files={"/net.onnx": CONTENT}) as server:
        get(server, tmp_path)
        assert server.ranges == ["bytes=50-"]
