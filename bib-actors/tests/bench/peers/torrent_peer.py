"""libtorrent as a peer: makes a torrent, seeds it, or fetches it and prints the seconds until all is on the disk.

Usage: torrent_peer.py make FOLDER NAME TORRENT | seed FOLDER TORRENT PORT | fetch FOLDER TORRENT PORT
"""

import os
import sys
import time

import libtorrent as lt


def session(port):
    return lt.session(
        {
            "listen_interfaces": f"127.0.0.1:{port}",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "allow_multiple_connections_per_ip": True,
            "alert_mask": 0,
            "enable_outgoing_utp": False,
            "enable_incoming_utp": False,
            "out_enc_policy": 2,
            "in_enc_policy": 2,
            "send_buffer_watermark": 8 << 20,
            "max_queued_disk_bytes": 64 << 20,
            "request_queue_time": 10,
            "max_out_request_queue": 5000,
            "max_allowed_in_request_queue": 5000,
            "unchoke_slots_limit": -1,
        }
    )


def add(where, torrent, folder, seeding):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = folder
    if seeding:
        params.flags |= lt.torrent_flags.seed_mode
    return where.add_torrent(params), params.ti


mode, folder = sys.argv[1], sys.argv[2]
if mode == "make":
    name, torrent = sys.argv[3], sys.argv[4]
    files = lt.file_storage()
    files.add_file(name, os.path.getsize(os.path.join(folder, name)))
    made = lt.create_torrent(files, 1 << 20)
    lt.set_piece_hashes(made, folder)
    with open(torrent, "wb") as out:
        out.write(lt.bencode(made.generate()))
elif mode == "seed":
    seeder = session(int(sys.argv[4]))
    kept = add(seeder, sys.argv[3], folder, True)
    while True:
        time.sleep(60)
else:
    fetcher = session(0)
    begun = time.perf_counter()
    handle, info = add(fetcher, sys.argv[3], folder, False)
    handle.connect_peer(("127.0.0.1", int(sys.argv[4])))
    while not handle.status().is_seeding:
        if time.perf_counter() - begun > 300:
            sys.exit("not fetched within 300 s")
        time.sleep(0.01)
    # what it keeps in memory is written when the session ends
    name = info.files().file_path(0)
    fetcher.remove_torrent(handle)
    del handle, fetcher
    with open(os.path.join(folder, name), "rb") as done:
        os.fsync(done.fileno())
    print(time.perf_counter() - begun)
