#!/usr/bin/env python3
"""Verifies the audit log of a BIB node without any of BIB's code.

    verify.py DIR                          follow the chain through the segment files in DIR, print the verdict
    verify.py DIR --records [--last N]     print the records too, one JSON object a line
    verify.py DIR --was NAME=VALUE --identity FILE
                                           print the records whose parameter NAME had this VALUE; FILE is the
                                           node's identity.key, or --key HEX is the secret that follows from it
    verify.py --vectors FILE               check the published test vectors

Needs Python 3.9 and nothing else. Exit code 0: good, 1: not good, 2: wrong use.
The format is described in docs/reference/audit-log.md.
"""

import argparse
import hashlib
import hmac
import json
import pathlib
import re
import struct
import sys
import unicodedata

ZERO = bytes(32)
BEGIN = b"\xffBA\x01"
END = b"\xffEA\x01"
OUTCOMES = ["intent", "ok", "refused", "failed"]
FIELDS = [
    "version", "epoch", "seq", "prev_hash", "unix_ns", "monotonic_ns", "clock_flags", "node_id", "actor",
    "session_hash", "job_id", "op_id", "role", "action", "object", "fingerprint", "rows", "duration_us",
    "component", "outcome", "params", "break_glass", "metadata", "salt",
]


class Bad(Exception):
    """The log is not what it should be; `seq` is the first record that is wrong or missing."""

    def __init__(self, problem, seq=None):
        super().__init__(problem)
        self.seq = seq


# ---- CBOR, as much as the format uses, in its one canonical form

def head(major, number):
    """The shortest head of an item."""
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise Bad("a number is longer than 64 bits")


def dump(item):
    """Encodes an item."""
    if item is None:
        return b"\xf6"
    if item is True or item is False:
        return b"\xf5" if item else b"\xf4"
    if isinstance(item, int):
        return head(0, item)
    if isinstance(item, bytes):
        return head(2, len(item)) + item
    if isinstance(item, str):
        return head(3, len(item.encode())) + item.encode()
    return head(4, len(item)) + b"".join(dump(element) for element in item)


def load(data, at=0):
    """Decodes the item at `at`; returns it and where it ends. Refuses what is not canonical."""
    if at >= len(data):
        raise Bad("an item is cut short")
    major, info = data[at] >> 5, data[at] & 31
    if data[at] in (0xF4, 0xF5, 0xF6):
        return {0xF4: False, 0xF5: True, 0xF6: None}[data[at]], at + 1
    if major not in (0, 2, 3, 4) or info > 27:
        raise Bad("an item of a kind that the format does not have")
    size = 0 if info < 24 else 1 << (info - 24)
    number = info if info < 24 else int.from_bytes(data[at + 1:at + 1 + size], "big")
    if head(major, number) != data[at:at + 1 + size]:
        raise Bad("a number is not in its shortest form")
    at += 1 + size
    if major == 0:
        return number, at
    if major == 4:
        items = []
        for _ in range(number):
            item, at = load(data, at)
            items.append(item)
        return items, at
    body = data[at:at + number]
    if len(body) != number:
        raise Bad("an item is cut short")
    if major == 2:
        return body, at + number
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Bad("a text is not UTF-8") from None
    if not unicodedata.is_normalized("NFC", text):
        raise Bad("a text is not in Unicode normal form C")
    return text, at + number


def load_all(data):
    """Decodes the one item that `data` is."""
    item, end = load(data)
    if end != len(data):
        raise Bad("bytes follow the item")
    return item


# ---- records

def leaf_hash(record):
    """The leaf hash of RFC 6962."""
    return hashlib.sha256(b"\x00" + record).digest()


def is_uint(item):
    return isinstance(item, int) and not isinstance(item, bool)


def is_pair(item, second):
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and second(item[1])


def is_hash(item):
    return isinstance(item, bytes) and len(item) == 32


def is_text(item):
    return isinstance(item, str)


def maybe(check):
    return lambda item: item is None or check(item)


CHECKS = {
    "version": lambda item: is_uint(item) and item == 1,
    "prev_hash": is_hash, "session_hash": maybe(is_hash), "salt": is_hash,
    "clock_flags": lambda item: is_uint(item) and item < 4,
    "op_id": lambda item: isinstance(item, bytes) and len(item) == 16,
    "job_id": maybe(is_text), "fingerprint": maybe(is_text), "rows": maybe(is_uint),
    "outcome": lambda item: is_uint(item) and item < len(OUTCOMES),
    "params": lambda item: isinstance(item, list) and all(is_pair(pair, is_hash) for pair in item),
    "break_glass": lambda item: isinstance(item, bool),
    "metadata": lambda item: isinstance(item, bytes),
    **{name: is_uint for name in ("epoch", "seq", "unix_ns", "monotonic_ns", "duration_us")},
    **{name: is_text for name in ("node_id", "actor", "role", "action", "object", "component")},
}


def parse_record(data):
    """A record as a dictionary."""
    if len(data) > 65535:
        raise Bad("the record is too long")
    array = load_all(data)
    if not isinstance(array, list) or len(array) != len(FIELDS):
        raise Bad("the record does not have %d fields" % len(FIELDS))
    record = dict(zip(FIELDS, array))
    for name, item in record.items():
        if not CHECKS[name](item):
            raise Bad("field %s of the record is not what it should be" % name)
    pairs = load_all(record["metadata"])
    if not isinstance(pairs, list) or not all(is_pair(pair, is_text) for pair in pairs):
        raise Bad("field metadata of the record is not what it should be")
    record["metadata"] = pairs
    return record


def build_record(record):
    """The bytes of a record that is given as a dictionary."""
    return dump([dump(record[name]) if name == "metadata" else record[name] for name in FIELDS])


def for_people(record):
    """The record with bytes in hexadecimal and words for codes."""
    def show(item):
        return item.hex() if isinstance(item, bytes) else item
    shown = {name: show(item) for name, item in record.items()}
    shown["outcome"] = OUTCOMES[record["outcome"]]
    shown["params"] = [[name, mac.hex()] for name, mac in record["params"]]
    return shown


# ---- parameters

def hkdf(secret, salt, info):
    """HKDF-SHA256, one block."""
    prk = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\x01", hashlib.sha256).digest()


def derive(seed, purpose):
    """The secret that a node has for a purpose, from the seed of its identity."""
    return hkdf(seed, b"bib identity derive v1", purpose)


def audit_secret(identity):
    """The secret of the audit log of the node whose identity.key this is."""
    match = re.fullmatch(rb"(bib identity 1\nseed ([0-9a-f]{64})\n)check ([0-9a-f]{64})\n", identity.read_bytes())
    if not match or hashlib.sha256(match[1]).hexdigest() != match[3].decode():
        raise Bad("%s is not the identity.key of a node, or not all of it" % identity)
    return derive(bytes.fromhex(match[2].decode()), b"bib/audit/hmac/v1")


def param_key(secret, epoch):
    """The key of an epoch. HKDF without salt is HKDF with zeros."""
    return hkdf(secret, ZERO, b"BIB-AUDIT/1 params" + epoch.to_bytes(8, "big"))


def param_mac(key, name, value):
    message = len(name.encode()).to_bytes(8, "big") + name.encode() + value.encode()
    return hmac.new(key, message, hashlib.sha256).digest()


# ---- segment files

def read_header(data):
    """The header of a segment and where its blocks begin."""
    if data[:8] != b"BIBAUDIT" or len(data) < 10:
        raise Bad("the file does not begin as a segment")
    end = 10 + struct.unpack(">H", data[8:10])[0]
    array, checksum = data[10:end], data[end:end + 32]
    if hashlib.sha256(array).digest() != checksum:
        raise Bad("the header's checksum is wrong")
    fields = load_all(array)
    if not isinstance(fields, list) or len(fields) != 6 or fields[0] != 1:
        raise Bad("the header is not one of this format")
    return dict(zip(("format", "epoch", "first_seq", "prev_hash", "node_id", "created"), fields)), end + 32


def read_block(data, at):
    """The records of the block at `at`, its first position, its last hash, and where it ends."""
    if len(data) - at < 20:
        raise Bad("the file ends in the middle of a block")
    magic, count, first_seq, payload = struct.unpack(">4sIQI", data[at:at + 20])
    end = at + 20 + payload + 40
    if magic != BEGIN or count == 0:
        raise Bad("no block begins here")
    if end > len(data):
        raise Bad("the file ends in the middle of a block")
    last, length, magic = struct.unpack(">32sI4s", data[end - 40:end])
    if magic != END or length != end - at:
        raise Bad("the block's end does not match its head")
    records, here = [], at + 20
    for _ in range(count):
        length = int.from_bytes(data[here:here + 2], "big")
        here += 2 + length
        if here > end - 40:
            raise Bad("the block has fewer bytes than records")
        records.append(data[here - length:here])
    if here != end - 40:
        raise Bad("the block has more bytes than records")
    return records, first_seq, last, end


def read_mark(directory):
    """What the mark says, if there is one."""
    path = directory / "mark"
    if not path.exists():
        return None
    match = re.fullmatch(
        rb"BIB-AUDIT-MARK/1\nepoch (\d+)\nseq (\d+)\nhash ([0-9a-f]{64})\n"
        rb"(?:open \d+ [0-9a-f]{32} [0-9a-f]{16}\n)*", path.read_bytes())
    if not match:
        raise Bad("the mark cannot be read")
    return int(match[1]), int(match[2]), bytes.fromhex(match[3].decode())


def verify(directory, each=lambda record, leaf: None):
    """Follows the chain; returns the position and hash of its last record. Raises Bad."""
    names = sorted(path for path in directory.iterdir() if re.fullmatch(r"\d{8}-\d{20}\.audit", path.name))
    mark = read_mark(directory)
    if not names:
        if mark and mark[1] > 0:
            raise Bad("there is no segment file, but the mark says that there were records", 1)
        raise Bad("there is no audit log in %s" % directory)
    epoch = int(names[-1].name[:8])
    seq, prev, node = 0, ZERO, None
    for path in names:
        if int(path.name[:8]) != epoch:
            continue
        data = path.read_bytes()
        try:
            header, at = read_header(data)
            if path.name != "%08d-%020d.audit" % (header["epoch"], header["first_seq"]):
                raise Bad("the file's name is not the one that its header asks for")
            if node is not None and header["node_id"] != node:
                raise Bad("the segment belongs to another node")
            node = header["node_id"]
            if (header["first_seq"], header["prev_hash"]) != (seq + 1, prev):
                raise Bad("the segment does not follow record %d" % seq)
            end = len(data)
            if path in names[-2:]:  # room that was reserved and not used when the node was killed
                end = max(at, len(data.rstrip(b"\0")))
            while at < end:
                records, first, last, at = read_block(data, at)
                if first != seq + 1:
                    raise Bad("a block begins with record %d where %d is next" % (first, seq + 1))
                for raw in records:
                    record = parse_record(raw)
                    if record["seq"] != seq + 1 or record["epoch"] != epoch or record["node_id"] != node:
                        raise Bad("the record is not in its place")
                    if record["prev_hash"] != prev:
                        raise Bad("the record names another hash before it: one of the two was changed")
                    seq, prev = seq + 1, leaf_hash(raw)
                    if mark and mark[1] == seq and mark[2] != prev:
                        raise Bad("the record has another hash than the mark says", seq)
                    each(record, prev)
                if last != prev:
                    raise Bad("the record does not have the hash that its block ends with", seq)
        except Bad as bad:
            raise Bad("%s: %s" % (path.name, bad), bad.seq or seq + 1) from None
    if mark and (mark[0] != epoch or mark[1] > seq):
        raise Bad("the log ends with record %d, but the mark says that %d was durable" % (seq, mark[1]), seq + 1)
    return seq, prev


# ---- vectors

def from_hex(record):
    """A record of the vectors, with its bytes as bytes."""
    out = dict(record)
    for name in ("prev_hash", "session_hash", "op_id", "salt"):
        out[name] = None if record[name] is None else bytes.fromhex(record[name])
    out["params"] = [[name, bytes.fromhex(mac)] for name, mac in record["params"]]
    out["outcome"] = OUTCOMES.index(record["outcome"])
    return out


def expect(good, name):
    if not good:
        raise Bad("vector %r does not hold" % name)


def check_vectors(path):
    """Checks the published vectors; returns how many there are."""
    vectors = json.loads(path.read_text())
    for vector in vectors["records"]:
        record = from_hex(vector["record"])
        raw = build_record(record)
        expect(raw.hex() == vector["bytes"], vector["name"])
        expect(leaf_hash(raw).hex() == vector["leaf_hash"], vector["name"])
        expect(parse_record(raw) == record, vector["name"])
    for vector in vectors["refused"]:
        try:
            refused = not parse_record(bytes.fromhex(vector["bytes"]))
        except Bad:
            refused = True
        expect(refused, vector["name"])
    for vector in vectors["params"]:
        key = param_key(bytes.fromhex(vector["secret"]), vector["epoch"])
        expect(param_mac(key, vector["name"], vector["value"]).hex() == vector["mac"], vector["name"])
    return sum(len(vectors[group]) for group in ("records", "refused", "params"))


def main():
    parser = argparse.ArgumentParser(description="Verifies the audit log of a BIB node.")
    parser.add_argument("directory", nargs="?", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--records", action="store_true", help="print the records, one JSON object a line")
    parser.add_argument("--last", type=int, metavar="N", help="print only the last N of them")
    parser.add_argument("--was", metavar="NAME=VALUE", help="print the records with this parameter; needs a key")
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--identity", type=pathlib.Path, metavar="FILE", help="the node's identity.key")
    key.add_argument("--key", metavar="HEX", help="or the secret of the node's audit log")
    parser.add_argument("--vectors", type=pathlib.Path, metavar="FILE", help="check test vectors instead")
    args = parser.parse_args()
    if args.vectors:
        try:
            print("%d vectors are good" % check_vectors(args.vectors))
            return 0
        except Bad as bad:
            print(bad)
            return 1
    if not args.directory or not args.directory.is_dir() or bool(args.was) != bool(args.key or args.identity):
        parser.print_usage(sys.stderr)
        return 2
    try:
        secret = audit_secret(args.identity) if args.identity else bytes.fromhex(args.key or "")
    except (Bad, OSError, ValueError) as error:
        print("the key of --was cannot be had: %s" % error, file=sys.stderr)
        return 2

    found, keys = [], {}

    def each(record, leaf):
        if args.was:
            name, _, value = args.was.partition("=")
            epoch = record["epoch"]
            keys.setdefault(epoch, param_key(secret, epoch))
            if [name, param_mac(keys[epoch], name, value)] not in record["params"]:
                return
        if args.records or args.was:
            found.append({**for_people(record), "leaf_hash": leaf.hex()})
            if args.last and len(found) > args.last:
                found.pop(0)

    verdict, code = {}, 0
    try:
        seq, last = verify(args.directory, each)
        verdict = {"ok": True, "records": seq, "head": last.hex(), "witnesses": 0}
    except Bad as bad:
        verdict = {"ok": False, "problem": str(bad), "first_bad_seq": bad.seq}
        code = 1
    for record in found:
        print(json.dumps(record, ensure_ascii=False))
    print(json.dumps(verdict, ensure_ascii=False))
    return code


if __name__ == "__main__":
    sys.exit(main())
