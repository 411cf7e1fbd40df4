"""A client of a BIB node in plain gRPC: TLS with the node's own authority, login with an SSH key, errors with advice.

The modules below ``bib.v1`` are generated from ``schema/proto``; README.md says how.
"""

import os
import stat
import struct
from pathlib import Path

import grpc
import pyarrow
from bib.v1 import auth_pb2, auth_pb2_grpc
from bib.v1 import dataset_pb2 as data
from bib.v1 import dataset_pb2_grpc, query_pb2, query_pb2_grpc
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from google.rpc import error_details_pb2
from grpc_status import rpc_status

PART = 1 << 20  # most bytes of a file in one message


class Refused(Exception):
    """What the node said: a stable reason, a message for people, what to try, and how it names the request."""

    def __init__(self, error: grpc.RpcError):
        super().__init__(error.details())
        self.code, self.reason, self.hint, self.request_id = error.code().name, "", "", ""
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info):
                self.reason = info.reason
                self.hint = info.metadata.get("hint", "")
                self.request_id = info.metadata.get("request_id", "")


def read_key(key_file: str) -> Ed25519PrivateKey:
    """The private key in the file. One with a passphrase would need somebody to ask, or an agent."""
    text = Path(key_file).expanduser().read_bytes()
    try:
        key = load_ssh_private_key(text, password=None)
    except TypeError:
        advice = "this example cannot ask for it: name a key without one (ssh-keygen -t ed25519 -N '' -f FILE)"
        raise ValueError(f"{key_file} is protected by a passphrase, and {advice}") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{key_file} is no private SSH key that can be read: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{key_file}: this example signs with Ed25519 keys alone: ssh-keygen -t ed25519")
    return key


def log_in(channel: grpc.Channel, key_file: str) -> auth_pb2.LoginResponse:
    """Signs the node's challenge with an Ed25519 key and opens a session."""
    key = read_key(key_file)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    auth = auth_pb2_grpc.AuthServiceStub(channel)
    challenge = auth.GetChallenge(auth_pb2.GetChallengeRequest(public_key=public))
    message = b"bib-login/1\0" + challenge.node_id.encode() + b"\0" + challenge.nonce
    # a signature as SSH writes it: two strings, each with its length before it
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-ed25519", key.sign(message)))
    return auth.Login(
        auth_pb2.LoginRequest(public_key=public, nonce=challenge.nonce, signature=blob, algorithm="ssh-ed25519")
    )


class Node:
    """A node at ``host:port``, whose authority's certificate is in the file ``ca``, for the owner of ``key``."""

    def __init__(self, address: str, ca: str, key: str):
        tls = grpc.ssl_channel_credentials(Path(ca).read_bytes())
        try:
            with grpc.secure_channel(address, tls) as channel:
                self.session = log_in(channel, key)
        except grpc.RpcError as error:
            raise Refused(error) from error
        bearer = grpc.access_token_call_credentials(self.session.token)
        self.channel = grpc.secure_channel(address, grpc.composite_channel_credentials(tls, bearer))
        self.datasets = dataset_pb2_grpc.DatasetServiceStub(self.channel)
        self.queries = query_pb2_grpc.QueryServiceStub(self.channel)

    def close(self) -> None:
        """Ends the session. A node that cannot be told ends it by itself when its time is over."""
        try:
            auth_pb2_grpc.AuthServiceStub(self.channel).Logout(auth_pb2.LogoutRequest())
        except grpc.RpcError:
            pass  # what went wrong before is what people want to know
        finally:
            self.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def list(self, topic: str = ""):
        """Every dataset, page by page."""
        token = ""
        while True:
            page = self._call(self.datasets.ListDatasets, data.ListDatasetsRequest(topic=topic, page_token=token))
            yield from page.datasets
            token = page.next_page_token
            if not token:
                return

    def upload(self, dataset: str, folder: str, message: str = "") -> data.UploadResponse:
        """Puts the files below ``folder`` in as a new version of ``topic/name``; the topic must be there."""
        # one that is not there has no files, and would become a version without any
        if not Path(folder).is_dir():
            raise NotADirectoryError(f"{folder} is not a folder: nothing was uploaded")
        return self._call(self.datasets.Upload, self._parts(dataset, Path(folder), message))

    @staticmethod
    def _parts(dataset: str, folder: Path, message: str):
        yield data.UploadRequest(header=data.UploadHeader(dataset=dataset, message=message))
        end = data.UploadEnd()
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            about = path.stat()
            name = path.relative_to(folder).as_posix()
            mode = stat.S_IMODE(about.st_mode)
            yield data.UploadRequest(entry=data.Entry(path=name, kind="file", size=about.st_size, mode=mode))
            end.entries += 1
            with path.open("rb") as file:
                while part := file.read(PART):
                    end.bytes += len(part)
                    yield data.UploadRequest(data=part)
        # without it, nothing is published
        yield data.UploadRequest(end=end)

    def download(self, dataset: str, folder: str, version: str = "") -> data.Version:
        """Writes the files of a version below ``folder``, which must not be there; the node checks each byte."""
        top = Path(folder)
        top.mkdir()
        got, file = None, None
        request = data.DownloadRequest(dataset=dataset, version=version)
        for answer in self._stream(self.datasets.Download, request):
            part = answer.WhichOneof("part")
            if part == "version":
                got = answer.version
            elif part == "data":
                file.write(answer.data)
            elif part == "entry":
                if file:
                    file.close()
                    file = None
                path = top / answer.entry.path
                if not path.resolve().is_relative_to(top.resolve()):
                    raise ValueError(f"{answer.entry.path!r} leads out of the folder")
                if answer.entry.kind == "directory":
                    path.mkdir(parents=True, exist_ok=True)
                elif answer.entry.kind == "symlink":
                    path.symlink_to(answer.entry.target)
                else:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    file = path.open("xb")
                    os.chmod(path, answer.entry.mode)
        if file:
            file.close()
        return got

    def query(self, expression: str) -> pyarrow.Table:
        """The rows of an expression. The parts of all answers make one Arrow stream."""
        parts = []
        for answer in self._stream(self.queries.Query, query_pb2.QueryRequest(expression=expression)):
            if answer.WhichOneof("part") == "arrow_ipc":
                parts.append(answer.arrow_ipc)
        with pyarrow.ipc.open_stream(b"".join(parts)) as reader:
            return reader.read_all()

    @staticmethod
    def _call(method, request):
        try:
            return method(request)
        except grpc.RpcError as error:
            raise Refused(error) from error

    @staticmethod
    def _stream(method, request):
        try:
            yield from method(request)
        except grpc.RpcError as error:
            raise Refused(error) from error
