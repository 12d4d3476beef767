#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes a git clone ready for ./configure.
set -eu
cd "$(dirname "$0")"
exec autoreconf --install --warnings=all
