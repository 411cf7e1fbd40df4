"""DuckDB and polars as peers: makes the tables, then answers one query a line with seconds, columns, rows and the sum of
column n.

Usage: duckdb_peer.py FOLDER ROWS THREADS parquet|csv
"""

import json
import os
import sys
import time

import duckdb

folder, rows, threads, form = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
parquet, csv = os.path.join(folder, "table.parquet"), os.path.join(folder, "table.csv")
path = csv if form == "csv" else parquet
connection = duckdb.connect()
connection.execute(f"set threads={threads}")
if not os.path.exists(parquet):
    connection.execute(
        f"""copy (select i as id, (hash(i) % 1000)::int as a, (hash(i * 7) % 10)::int as b,
            (hash(i * 13) % 1000000) / 1e6 as f, 'site_' || (hash(i * 17) % 50) as s
            from range({rows}) t(i)) to '{parquet}' (format parquet, compression zstd, row_group_size 122880)"""
    )
if form == "csv" and not os.path.exists(csv):
    connection.execute(f"copy (from '{parquet}') to '{csv}' (header)")


def polars():
    import polars as pl

    scan = pl.scan_csv(path) if form == "csv" else pl.scan_parquet(path)
    begun = time.perf_counter()
    kept = scan.filter((pl.col("a") > 500) & (pl.col("b") == 3))
    answer = kept.select(pl.len().alias("n"), pl.col("f").mean().alias("m")).collect(engine="streaming")
    return time.perf_counter() - begun, answer.columns, answer.rows()


def sql(text):
    begun = time.perf_counter()
    result = connection.execute(text.replace("TABLE", f"'{path}'"))
    names = [column[0] for column in result.description]
    answer = result.fetchall()
    seconds = time.perf_counter() - begun
    return seconds, names, answer


print(json.dumps({"version": duckdb.__version__}), flush=True)
for line in sys.stdin:
    seconds, names, found = polars() if line.strip() == "polars" else sql(line.strip())
    total = sum(row[names.index("n")] for row in found) if "n" in names else 0
    print(json.dumps({"seconds": seconds, "columns": names, "rows": found, "n": int(total)}, default=str), flush=True)
