#!/bin/sh
# Prints how often the truth lies within the ranges of `damo report wss --error`: the table of docs/truth.md, from simulated
# workloads of which it is known what they access (a few minutes).
#
#   scripts/truth.sh [SEEDS [NAME]]     with so many seeds (40), those workloads only whose names hold NAME
#   scripts/truth.sh --what-if [SEEDS [NAME]]     the same of savings and refaults that `damo schemes --what-if` tells, with
#                                       two seeds: the table of docs/schemes.md
set -eu
cd "$(dirname "$0")/.."
# Of the workspace, so that Polars is the one that tests are built with.
cargo build --quiet --workspace --example truth
exec "${CARGO_TARGET_DIR:-target}/debug/examples/truth" "$@"
