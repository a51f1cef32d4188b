#!/usr/bin/env bash
# This script shows what only a GPU can: the tests marked gpu, then each benchmark on the device beside its rival.
#   bash tools/gpu_check.sh [FOLDER]      writes FOLDER/*.md and FOLDER/*.json, runs/gpu by default
# Each part has a minute, the tests two. A part that fails or takes longer does not stop the others; the last line names
# it, and the exit status is 1.
set -uo pipefail
cd "$(dirname "$0")/.."
folder="${1:-runs/gpu}"
device="${ASMG_DEVICE:-cuda}" # cpu tries the script itself out
mkdir -p "$folder"
failed=()

part() { # NAME SECONDS COMMAND…
    local name="$1" limit="$2"
    shift 2
    echo "== $name: $*"
    timeout "$limit" "$@" || failed+=("$name")
}

benchmark() { # NAME PART OPTION…
    local name="$1"
    shift
    part "$name" 60 python3 tools/benchmark.py "$@" --device "$device" --folder "$folder/$name"
    for kind in md json; do
        [ -f "$folder/$name/benchmark.$kind" ] && cp "$folder/$name/benchmark.$kind" "$folder/$name.$kind"
    done
}

python3 -c "import torch; print(torch.__version__, torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU')"
mapfile -t tests < <(grep -rl "mark\.gpu" tests) # others may import what this machine has not
part tests 120 python3 -m pytest -m gpu "${tests[@]}"
benchmark step step
benchmark step-large step --users 1000000 --items 1000000 --batch-size 8192
benchmark profile profile --repeat 5
benchmark generation generation
benchmark scaling scaling --repeat 5
benchmark memory memory --rows 2048
benchmark period period --rows 22100 --repeat 1
if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
fi
