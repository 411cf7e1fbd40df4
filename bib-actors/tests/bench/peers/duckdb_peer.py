"""DuckDB as a peer: makes the table, then answers one query a line with seconds, rows and the sum of column n.

Usage: duckdb_peer.py FILE.parquet ROWS THREADS
"""

import json
import os
import sys
import time

import duckdb

path, rows, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
connection = duckdb.connect()
connection.execute(f"set threads={threads}")
if not os.path.exists(path):
    connection.execute(
        f"""copy (select i as id, (hash(i) % 1000)::int as a, (hash(i * 7) % 10)::int as b,
            (hash(i * 13) % 1000000) / 1e6 as f, 'site_' || (hash(i * 17) % 50) as s
            from range({rows}) t(i)) to '{path}' (format parquet, compression zstd, row_group_size 122880)"""
    )
print(json.dumps({"version": duckdb.__version__}), flush=True)
for line in sys.stdin:
    begun = time.perf_counter()
    result = connection.execute(line.strip().replace("TABLE", f"'{path}'"))
    names = [column[0] for column in result.description]
    answer = result.fetchall()
    seconds = time.perf_counter() - begun
    total = sum(row[names.index("n")] for row in answer) if "n" in names else 0
    print(json.dumps({"seconds": seconds, "rows": len(answer), "n": total}), flush=True)
