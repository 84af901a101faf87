"""Stands between clients and a PostgreSQL server with a certificate of its own, and reads what
both say. Arguments: the server's port, its authority, the own certificate and key, and `strip`
if the server's offer of SCRAM-SHA-256-PLUS is to be taken away."""

import select
import socket
import ssl
import struct
import sys
import threading

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
PLUS = b"SCRAM-SHA-256-PLUS\0"

port, authority, certificate, key, *strip = sys.argv[1:]


def tls(purpose):
    context = ssl.create_default_context(purpose)
    # After a handshake of TLS 1.3 come messages that are no data, and a read would wait for more.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def strip_offer(data):
    if strip and data[:1] == b"R" and PLUS in data:
        kind, length, code = struct.unpack_from("!cii", data)
        data = struct.pack("!cii", kind, length - len(PLUS), code) + data[9:].replace(PLUS, b"")
    return data


def relay(client, server):
    while True:
        ready, _, _ = select.select([client, server], [], [])
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            while source.pending():
                data += source.recv(65536)
            if source is server:
                client.sendall(strip_offer(data))
            else:
                server.sendall(data)


def serve(plain):
    try:
        if plain.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
            return
        plain.sendall(b"S")
        ours = tls(ssl.Purpose.CLIENT_AUTH)
        ours.load_cert_chain(certificate, key)
        theirs = tls(ssl.Purpose.SERVER_AUTH)
        theirs.load_verify_locations(authority)
        beyond = socket.create_connection(("localhost", int(port)))
        beyond.sendall(SSL_REQUEST)
        assert beyond.recv(1) == b"S"
        with theirs.wrap_socket(beyond, server_hostname="localhost") as server:
            with ours.wrap_socket(plain, server_side=True) as client:
                relay(client, server)
    except OSError as error:
        print(error, flush=True)
    finally:
        plain.close()


with socket.create_server(("127.0.0.1", 0)) as listener:
    print("listening on", listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
