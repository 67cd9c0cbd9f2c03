# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates, made with the openssl program."""

import ipaddress
import os
import subprocess

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
DAYS = "3"


def _openssl(*args):
    done = subprocess.run(["openssl", *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.strip()}")


def _paths(directory, name):
    return os.path.join(directory, f"{name}.key"), os.path.join(directory, f"{name}.crt")


def _make(directory, name, *args):
    """Through other names, so that nobody reads half a file; the key comes first."""
    key, certificate = _paths(directory, name)
    _openssl("req", "-x509", *_KEY, "-days", DAYS, "-keyout", f"{key}.new", "-out",
             f"{certificate}.new", *args)
    os.rename(f"{key}.new", key)
    os.rename(f"{certificate}.new", certificate)
    return certificate, key


def make_ca(directory, name, common_name):
    return _make(directory, name, "-subj", f"/CN={common_name}", "-addext",
                 "keyUsage=critical,keyCertSign,cRLSign")


def _alternative(name):
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def make_server(directory, ca, names, name="server"):
    """A server's certificate for these addresses and names."""
    ca_key, ca_certificate = _paths(directory, ca)
    return _make(directory, name, "-CA", ca_certificate, "-CAkey", ca_key, "-subj",
                 "/CN=kube-apiserver", "-addext", "basicConstraints=critical,CA:FALSE", "-addext",
                 "extendedKeyUsage=serverAuth", "-addext",
                 "subjectAltName=" + ",".join(map(_alternative, names)))


def make_client(directory, ca, user, name):
    """A client's certificate, @user its common name."""
    ca_key, ca_certificate = _paths(directory, ca)
    return _make(directory, name, "-CA", ca_certificate, "-CAkey", ca_key, "-subj", f"/CN={user}",
                 "-addext", "basicConstraints=critical,CA:FALSE", "-addext",
                 "extendedKeyUsage=clientAuth")
