"""Extracts features on a Spark cluster, by one `driftbench worker` a task:

    spark-submit scripts/spark_extract.py --index dataset.csv --out shards \\
        -- driftbench worker --model malconv --files /mnt/samples

What follows `--` is the command of a worker. `driftbench merge` makes the features folder of the shards, see
docs/cluster.md. Spark SQL does all of it: no RDD and no Python runs on the executors. A worker gets the rows of a
shard as JSON lines and then {"rows": N}, by which it notices that the feed was cut short. Status 1: a shard failed
on every attempt; 2: no attempt can succeed.
"""

import argparse
import re
import shlex
import sys

from pyspark import SparkConf
from pyspark.sql import SparkSession

# JSON escapes what is below U+0020, so that a line has neither of these inside.
ROW_FORMAT = r"ROW FORMAT DELIMITED FIELDS TERMINATED BY '\u0001' LINES TERMINATED BY '\n'"


def quoted(text):
    """text as a literal of Spark SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def read(spark, paths):
    """The index with columns name, label, first_seen and group as strings; label, first_seen and group may be missing."""
    if paths[0].endswith(".parquet"):
        rows = spark.read.parquet(*paths)
    elif paths[0].endswith((".json", ".jsonl")):
        rows = spark.read.option("primitivesAsString", True).option("mode", "FAILFAST").json(paths)
    else:
        rows = spark.read.csv(paths, header=True, quote='"', escape='"', multiLine=True, mode="FAILFAST", enforceSchema=False)
    if "name" not in rows.columns:
        raise ValueError(f"spark_extract: {paths[0]} has no column name, it has {', '.join(rows.columns)}")
    return rows.selectExpr(*(f"CAST(`{c}` AS STRING) AS `{c}`" for c in ("name", "label", "first_seen", "group") if c in rows.columns))


def shards(spark, rows, shard_rows):
    """A view of the lines for the workers: partitions of about shard_rows rows and the line {"rows": N} behind them."""
    if not (total := rows.count()):
        raise ValueError("spark_extract: the index has no rows")
    count = -(-total // shard_rows)
    rows.createOrReplaceTempView("rows")
    fields = ", ".join(f"`{c}`" for c in rows.columns)
    # The shards are repartitioned by key: for each partition the smallest number that Spark puts there.
    spark.sql(f"""
        WITH keys AS (SELECT pmod(hash(id), {count}) AS shard, min(id) AS key FROM range({40 * count}) GROUP BY 1)
        SELECT /*+ BROADCAST(keys) */ key,
            CASE WHEN name IS NULL THEN raise_error('spark_extract: a row of the index has no name')
                 WHEN instr(name, '\ufffd') > 0 THEN raise_error(concat('spark_extract: a name of the index is not UTF-8, or has U+FFFD in it: ', name))
                 ELSE to_json(struct({fields})) END AS line
        FROM rows JOIN keys ON shard = pmod(xxhash64(coalesce(name, '')), {count})""").createOrReplaceTempView("lines")
    spark.sql("""
        SELECT key, 0 AS last, line FROM lines
        UNION ALL
        SELECT key, 1 AS last, concat('{"rows":', count(*), '}') FROM lines GROUP BY key
        """).repartition(count, "key").sortWithinPartitions("key", "last").createOrReplaceTempView("feed")
    return count


def extract(spark, index, out, worker, shard_rows):
    """Writes into the folder out what the workers say of the rows of index, and returns the number of shards."""
    count = shards(spark, read(spark, index), shard_rows)
    # An executor dies of a worker that ends before it has read all, and reports what it said if it has a moment to read that.
    command = quoted(shlex.join(worker) + "; status=$?; cat >/dev/null; [ $status = 0 ] || sleep 1; exit $status")
    spark.sql(f"SELECT TRANSFORM(line) {ROW_FORMAT} USING {command} AS (line STRING) {ROW_FORMAT} FROM feed").write.text(out)
    return count


def explain(error):
    """The message and the status for an error of Spark, of whose text most is for who works on Spark."""
    text = str(error)
    if found := re.findall(r"Subprocess exited with status (\d+)\. Error: (.*?)\n?\.\n", text, re.DOTALL):
        status, said = found[-1]
        reason = next((line for line in said.splitlines() if line.startswith("driftbench: ")), said or "it said nothing")
        return f"a worker ended with status {status}: {reason}", 2 if status == "2" else 1
    if found := re.search(r"spark_extract: (.*?)(?= SQLSTATE|$)", text, re.MULTILINE):
        return found.group(1), 2
    if found := re.search(r"(?:CSV header does not conform to the schema|Number of column in CSV header is not equal).*?CSV file: (\S+)", text, re.DOTALL):
        return f"{found.group(1)} has other columns than the first file, or in another order: give all files of the index the same header", 2
    if found := re.search(r"path (\S+) already exists", text, re.IGNORECASE):
        return f"{found.group(1)} is there already: remove it, or name another folder", 2
    return text.split("\n\tat ")[0].strip(), 1


def main():
    parser = argparse.ArgumentParser(description="Extract features on a Spark cluster, by one `driftbench worker` a task.")
    parser.add_argument("--index", nargs="+", required=True, metavar="FILE", help="FILEs as Spark reads them: .parquet, .json, .jsonl, or else CSV with a header; columns name, label, first_seen and group")
    parser.add_argument("--out", required=True, metavar="DIR", help="DIR to make")
    parser.add_argument("--shard-rows", type=int, default=20_000, metavar="N", help="rows a shard, about N (default %(default)s)")
    parser.add_argument("worker", nargs="+", metavar="-- COMMAND", help="COMMAND of a worker, such as driftbench worker --model DIR --files PLACE")
    args = parser.parse_args()
    if args.shard_rows < 1:
        parser.error("--shard-rows: want 1 or more")

    # Else a node that has not mounted the samples, and so fails at once, draws all four attempts of a shard.
    conf = SparkConf()
    conf.setIfMissing("spark.excludeOnFailure.enabled", "true")
    for limit, failures in [("task.maxTaskAttemptsPerExecutor", 2), ("task.maxTaskAttemptsPerNode", 2), ("stage.maxFailedTasksPerExecutor", 10**9), ("stage.maxFailedExecutorsPerNode", 10**9)]:
        conf.setIfMissing(f"spark.excludeOnFailure.{limit}", str(failures))
    spark = SparkSession.builder.appName("driftbench").config(conf=conf).getOrCreate()
    try:
        count = extract(spark, args.index, args.out, args.worker, args.shard_rows)
    except Exception as error:  # of Spark and of Py4J, which have no class in common
        message, status = explain(error)
        print(f"spark_extract: {message}", file=sys.stderr)
        sys.exit(status)
    print(f"{count} shards are in {args.out}: go on with driftbench merge")


if __name__ == "__main__":
    main()
