#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that answer, and users who try to reach them.

    reach.py serve PORT...           answers by TCP and UDP, IPv4 and IPv6, until it is ended; says "ready"
    reach.py try <WAYS               one way a line: USER PROTOCOL ADDRESS PORT [FROM_PORT, then as root]; USER is a number
    reach.py hold ADDRESS PORT FIFO  keeps a connection; for each line of FIFO says whether it still answers

What a try says: the way, then "answer" or the name of the error or "timeout", and after how many milliseconds.
"""

import errno
import os
import select
import socket
import sys
import time

TIMEOUT = 3
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def listening(port):
    for address in ("0.0.0.0", "::"):
        for kind in KINDS.values():
            sock = socket.socket(family(address), kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address == "::":
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # An answer to a datagram comes from where it was sent to.
            if kind == socket.SOCK_DGRAM and address == "::":
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            elif kind == socket.SOCK_DGRAM:
                sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_PKTINFO", 8), 1)
            sock.bind((address, port))
            if kind == socket.SOCK_STREAM:
                sock.listen(128)
            yield sock


def echo_datagram(sock):
    data, ancillary, _, peer = sock.recvmsg(2048, 256)
    for level, kind, value in ancillary:
        if level == socket.IPPROTO_IP:
            # struct in_pktinfo: the address that it was sent to goes where the source is read from.
            ancillary = [(level, kind, bytes(4) + value[8:12] + bytes(4))]
        else:
            ancillary = [(level, kind, value[:16] + bytes(4))]
    sock.sendmsg([data], ancillary, 0, peer)


def echo_stream(sock, socks):
    data = sock.recv(2048)
    if data:
        sock.send(data)
    else:
        socks.remove(sock)
        sock.close()


def serve(ports):
    listeners = [sock for port in ports for sock in listening(int(port))]
    socks = list(listeners)
    print("ready", flush=True)
    while True:
        for sock in select.select(socks, [], [])[0]:
            try:
                if sock not in listeners:
                    echo_stream(sock, socks)
                elif sock.type == socket.SOCK_STREAM:
                    socks.append(sock.accept()[0])
                else:
                    echo_datagram(sock)
            except OSError:
                if sock not in listeners:
                    socks.remove(sock)
                    sock.close()


def reach(user, protocol, address, port, from_port):
    # Its own process: who has given up root does not get it back. A socket belongs to whoever made it.
    os.setgroups([])
    if not from_port:
        os.setresuid(user, user, user)
    try:
        sock = socket.socket(family(address), KINDS[protocol])
        sock.settimeout(TIMEOUT)
        if from_port:
            sock.bind(("", int(from_port)))
        sock.connect((address, int(port)))
        sock.send(b"anybody there?")
        sock.recv(64)
        return "answer"
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))


def attempt(line):
    words = line.split() + [None]
    begun = time.monotonic()
    print(" ".join(line.split()), reach(int(words[0]), *words[1:5]), int((time.monotonic() - begun) * 1000), flush=True)


def try_all():
    for line in sys.stdin:
        child = os.fork()
        if not child:
            attempt(line)
            os._exit(0)
        os.waitpid(child, 0)


def hold(address, port, fifo):
    sock = socket.create_connection((address, int(port)), TIMEOUT)
    print("held", flush=True)
    with open(fifo, encoding="ascii") as lines:
        for line in lines:
            try:
                sock.send(line.encode())
                print("answer" if sock.recv(64) else "closed", flush=True)
            except OSError as error:
                print(errno.errorcode.get(error.errno, "timeout"), flush=True)


def main():
    verb, *words = sys.argv[1:]
    if verb == "serve":
        serve(words)
    elif verb == "try":
        try_all()
    else:
        hold(*words)


main()
