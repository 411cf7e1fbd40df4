"""Lists, uploads, downloads and queries, from the command line: python example.py --help"""

import argparse
import sys

from bib_client import Node, Refused


def main() -> int:
    parser = argparse.ArgumentParser(description="A client of a BIB node in plain gRPC")
    parser.add_argument("--node", required=True, metavar="HOST:PORT", help="address of the node's API")
    parser.add_argument("--ca", required=True, metavar="FILE", help="certificate of the node's authority (tls/ca.pem)")
    parser.add_argument("--key", default="~/.ssh/id_ed25519", metavar="FILE", help="your SSH key, Ed25519")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="every dataset")
    upload = verbs.add_parser("upload", help="put a folder in")
    upload.add_argument("dataset", metavar="TOPIC/NAME")
    upload.add_argument("folder")
    download = verbs.add_parser("download", help="get a version's files")
    download.add_argument("dataset", metavar="TOPIC/NAME")
    download.add_argument("folder")
    query = verbs.add_parser("query", help="print the rows of an expression")
    query.add_argument("expression")
    args = parser.parse_args()
    try:
        with Node(args.node, args.ca, args.key) as node:
            act(node, args)
    except Refused as error:
        print(f"error: {error}  [{error.reason or error.code}]", file=sys.stderr)
        if error.hint:
            print(f"try:  {error.hint}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def act(node: Node, args: argparse.Namespace) -> None:
    if args.verb == "list":
        for dataset in node.list():
            latest = dataset.latest
            print(f"{dataset.name}\tv{latest.number}\t{latest.files} files\t{latest.bytes} bytes\t{latest.id}")
    elif args.verb == "upload":
        answer = node.upload(args.dataset, args.folder)
        print(f"{answer.version.dataset}\tv{answer.version.number}\t{answer.version.id}\tnew={answer.created}")
    elif args.verb == "download":
        print(node.download(args.dataset, args.folder).id)
    else:
        for row in node.query(args.expression).to_pylist():
            print("\t".join(f"{name}={value}" for name, value in row.items()))


if __name__ == "__main__":
    sys.exit(main())
